import type { HandlerContext } from "@connectrpc/connect";
import { DomainError } from "../../../lib/errors/domain-error.ts";
import { isRunId, parseTaskId } from "../../../lib/ids/task-id.ts";
import { callerOf } from "../../../lib/rpc/authenticate.ts";
import { type Run, type Task, taskOf } from "../core/run.ts";
import type { RunRow } from "../history-store.ts";
import { mayUse } from "../run-access.ts";
import type { RunStore } from "../run-store.ts";

/** A caller as far as ownership is concerned. */
export interface Owning {
  readonly clientId: string;
  /** Whether it sees what belongs to others. */
  readonly admin: boolean;
}

/** Who calls. */
export function owningOf(context: HandlerContext): Owning {
  const { clientId, audience } = callerOf(context);
  return { clientId, admin: audience === "admin-api" };
}

/** Loads a run as history has it. */
export type LoadRun = (runId: string) => Promise<Run | undefined>;

/** A run that the caller may see. Throws `RUN_NOT_FOUND`. */
export async function runFor(caller: Owning, runId: string, load: LoadRun): Promise<Run> {
  const run = isRunId(runId) ? await load(runId) : undefined;
  if (mayUse(run, caller)) return run;
  throw runNotFound(runId);
}

/** As `runFor`, without folding its history. */
export async function rowFor(caller: Owning, runId: string, runs: Pick<RunStore, "row">): Promise<RunRow> {
  const row = isRunId(runId) ? await runs.row(runId) : undefined;
  if (row !== undefined && (caller.admin || row.client_id === caller.clientId)) return row;
  throw runNotFound(runId);
}

/** The refusal of a run that there is not, or that the caller may not see. */
export function runNotFound(runId: string): DomainError {
  return new DomainError("RUN_NOT_FOUND", "there is no such run", { run_id: runId.slice(0, 100) });
}

/** A task that the caller may see, with its run. Throws `TASK_NOT_FOUND`. */
export async function taskFor(
  caller: Owning,
  taskId: string,
  load: LoadRun,
): Promise<{ readonly run: Run; readonly task: Task; readonly nodeId: string }> {
  const place = parseTaskId(taskId);
  const run = place === undefined ? undefined : await load(place.runId);
  const task = place === undefined ? undefined : taskOf(run, place.nodeId);
  if (place !== undefined && task !== undefined && mayUse(run, caller)) {
    return { run, task, nodeId: place.nodeId };
  }
  throw new DomainError("TASK_NOT_FOUND", "there is no such task", { task_id: taskId.slice(0, 100) });
}
