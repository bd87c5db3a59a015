/*
 * Keeps what is large out of the broker: a config that did not come with its
 * assignment is fetched, and an output that is too large for a report is stored
 * before it is reported. Both are tried until they succeed or the attempt must
 * end: what is on its way between two scheduler replicas fails no task.
 */
import { Backoff } from "../../../lib/async/backoff.ts";
import type { Logger } from "../../../lib/log/log.ts";
import { maxOutputBytes, type Outcome } from "../outcome.ts";
import type { SchedulerCalls } from "../scheduler-calls.ts";
import type { Handler, LeasedHandler, ShortHandler, ShortTask } from "./handler.ts";

/** A larger output is stored and named by its digest. */
const maxReportedBytes = 64 * 1024;

export interface LargePayloads {
  readonly scheduler: Pick<SchedulerCalls, "fetchConfig" | "storeOutput">;
  readonly log: Logger;
}

/** The same handler, for configs and outputs of any size that the contract allows. */
export function withLargePayloads(handler: Handler, deps: LargePayloads): Handler {
  return handler.kind === "leased" ? leased(handler, deps) : short(handler, deps);
}

function leased(handler: LeasedHandler, deps: LargePayloads): LeasedHandler {
  return {
    ...handler,
    run: async (task) => await carriedOut(task, async (ready) => await handler.run(ready), deps),
  };
}

function short(handler: ShortHandler, deps: LargePayloads): ShortHandler {
  return {
    kind: "short",
    run: (task) => {
      // Nearly all of them: at once, in the turn that they were taken in.
      const outcome = task.assignment.fetchConfig ? undefined : handler.run(task);
      if (outcome !== undefined && !(outcome instanceof Promise) && isReportable(outcome)) return outcome;
      return carriedOut(task, async (ready) => await (outcome ?? handler.run(ready)), deps);
    },
  };
}

async function carriedOut<Task extends ShortTask>(
  task: Task,
  run: (task: Task) => Promise<Outcome>,
  deps: LargePayloads,
): Promise<Outcome> {
  const ready = task.assignment.fetchConfig ? await withConfig(task, deps) : task;
  const outcome = ready === undefined ? ({ kind: "cancelled" } as const) : await run(ready);
  return isReportable(outcome) ? outcome : await stored(task, outcome, deps);
}

/** The task with its config; undefined when it must end first. */
async function withConfig<Task extends ShortTask>(
  task: Task,
  deps: LargePayloads,
): Promise<Task | undefined> {
  const { assignment, leaseToken, signal } = task;
  const config = await insisted(task, deps, async () => {
    return await deps.scheduler.fetchConfig({ ...assignment, leaseToken }, signal);
  });
  return config === undefined ? undefined : { ...task, assignment: { ...assignment, config } };
}

async function stored(task: ShortTask, outcome: Completed, deps: LargePayloads): Promise<Outcome> {
  const { assignment, leaseToken, signal } = task;
  const digest = await insisted(task, deps, async () => {
    return await deps.scheduler.storeOutput({ ...assignment, leaseToken, output: outcome.output }, signal);
  });
  return digest === undefined
    ? { kind: "cancelled" }
    : { ...outcome, output: new Uint8Array(), storedAs: digest };
}

type Completed = Extract<Outcome, { kind: "completed" }>;

/** Whether an outcome goes into a report as it is; one over every bound does, as a failure. */
function isReportable(outcome: Outcome): outcome is Exclude<Outcome, Completed> {
  if (outcome.kind !== "completed") return true;
  return outcome.output.length <= maxReportedBytes || outcome.output.length > maxOutputBytes;
}

/** Asks until there is an answer; undefined when the attempt must end, or is another's. */
async function insisted(
  { assignment: { taskId, attempt }, signal }: ShortTask,
  { log }: LargePayloads,
  ask: () => Promise<Uint8Array | "lease_lost">,
): Promise<Uint8Array | undefined> {
  const backoff = new Backoff({ firstMs: 100, maxMs: 5_000 });
  while (!signal.aborted) {
    try {
      const answer = await ask();
      return answer === "lease_lost" ? undefined : answer;
    } catch (error) {
      if (backoff.failures > 0) log.warn({ err: error, taskId, attempt }, "payload not exchanged");
      await backoff.wait(signal);
    }
  }
  return undefined;
}
