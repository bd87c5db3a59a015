import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { Schedule } from "../../../../gen/antiphon/scheduler/v1/schedule_pb.ts";
import type { Task } from "../../../../gen/antiphon/scheduler/v1/task_pb.ts";
import { fromConnectError } from "../../../../lib/rpc/from-connect-error.ts";
import type { ServiceClients } from "../../http/service-clients.ts";
import { type WaldiezStatus, waldiezStatus } from "../status-names.ts";
import { isTaskId, taskNotFound } from "./task-id.ts";

/** What the Waldiez runner's clients see as one task: a stand-alone one, or a schedule that starts such, with the last that it started. */
export type FoundTask = { readonly kind: "plain"; readonly task: Task } | ScheduledTask;

/** A schedule of a task. */
export interface ScheduledTask {
  readonly kind: "scheduled";
  readonly schedule: Schedule;
  /** Undefined before it started any, and when that was removed. */
  readonly last: Task | undefined;
}

/** Who finds tasks, and until when. */
export interface Finding {
  readonly clients: Pick<ServiceClients, "scheduler">;
  readonly signal: AbortSignal;
}

/** The task of an id, as the caller may see it. Throws HttpRefusal 404 when there is none. */
export async function findTask(taskId: string, finding: Finding): Promise<FoundTask> {
  if (!isTaskId(taskId)) throw taskNotFound();
  const task = await taskOf(taskId, finding);
  if (task !== undefined) return { kind: "plain", task };
  const schedule = await scheduleOf(taskId, finding);
  if (schedule?.target?.kind.case !== "task") throw taskNotFound();
  return await withLastRun(schedule, finding);
}

/** A schedule with what it started last. */
export async function withLastRun(schedule: Schedule, finding: Finding): Promise<ScheduledTask> {
  const { clients, signal } = finding;
  const { scheduleId } = schedule;
  // Not by the schedule's `last_run_id`: what was triggered by hand counts as well.
  const { runs } = await clients.scheduler.listRuns({ scheduleId, pageSize: 1 }, { signal });
  const [run] = runs;
  return { kind: "scheduled", schedule, last: run && (await taskOf(run.runId, finding)) };
}

/** Whether a task of this status is over. */
export function isFinal(status: WaldiezStatus): boolean {
  return status === "COMPLETED" || status === "CANCELLED" || status === "FAILED";
}

/** Where a task stands. A schedule waits between its firings, and is over with its last one. */
export function statusOfFound(found: FoundTask, now: Date): WaldiezStatus {
  if (found.kind === "plain") return statusOfTask(found.task);
  const { schedule, last } = found;
  const lastStatus = last && statusOfTask(last);
  if (lastStatus !== undefined && !isFinal(lastStatus)) return lastStatus;
  if (schedule.paused) return "CANCELLED";
  if (schedule.starting || firesAgain(schedule, now)) return "PENDING";
  // A firing that was missed, or could not be started, leaves nothing behind.
  return lastStatus ?? (schedule.lastFailure === undefined ? "CANCELLED" : "FAILED");
}

/** One whose end was asked for is over, though its program may take a moment to end. */
function statusOfTask({ state, cancelRequested }: Task): WaldiezStatus {
  const status = waldiezStatus(state);
  return cancelRequested && !isFinal(status) ? "CANCELLED" : status;
}

function firesAgain({ timing, lastFiringAt, endsAt }: Schedule, now: Date): boolean {
  if (endsAt !== undefined && timestampDate(endsAt) <= now) return false;
  return timing?.kind.case !== "at" || lastFiringAt === undefined;
}

async function taskOf(taskId: string, { clients, signal }: Finding): Promise<Task | undefined> {
  return await orUndefined("TASK_NOT_FOUND", async () => {
    return (await clients.scheduler.getTask({ taskId }, { signal })).task;
  });
}

async function scheduleOf(scheduleId: string, { clients, signal }: Finding): Promise<Schedule | undefined> {
  return await orUndefined("SCHEDULE_NOT_FOUND", async () => {
    return (await clients.scheduler.getSchedule({ scheduleId }, { signal })).schedule;
  });
}

/** What a look-up finds; undefined when it is refused for this reason. */
async function orUndefined<Value>(
  reason: "TASK_NOT_FOUND" | "SCHEDULE_NOT_FOUND",
  look: () => Promise<Value | undefined>,
): Promise<Value | undefined> {
  try {
    return await look();
  } catch (thrown) {
    if (fromConnectError(thrown).reason === reason) return undefined;
    throw thrown;
  }
}
