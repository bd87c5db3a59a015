/** Where a task stands. */
export type TaskState =
  | "pending"
  | "queued"
  | "starting"
  | "running"
  | "waiting_for_input"
  | "completed"
  | "failed"
  | "cancelled"
  | "skipped";

/** Where a run stands. */
export type RunState = "pending" | "running" | "paused" | "completed" | "failed" | "cancelled";

/**
 * The whole life of a task. A state that leads nowhere is final. A task goes
 * back to `pending` while it waits for its next attempt. What needs no worker
 * goes from `pending` to where it waits, or to its end.
 */
export const leadsTo = {
  pending: ["queued", "running", "waiting_for_input", "completed", "failed", "skipped", "cancelled"],
  queued: ["starting", "running", "waiting_for_input", "completed", "failed", "pending", "cancelled"],
  starting: ["running", "waiting_for_input", "completed", "failed", "queued", "pending", "cancelled"],
  running: ["waiting_for_input", "completed", "failed", "queued", "pending", "cancelled"],
  waiting_for_input: ["running", "completed", "failed", "queued", "pending", "cancelled"],
  completed: [],
  failed: [],
  skipped: [],
  cancelled: [],
} as const satisfies Record<TaskState, readonly TaskState[]>;

/** Whether a task in this state will never change again. */
export function isFinalTask(state: TaskState): boolean {
  return leadsTo[state].length === 0;
}

/** Whether a run in this state will never change again. */
export function isFinalRun(state: RunState): boolean {
  return state === "completed" || state === "failed" || state === "cancelled";
}
