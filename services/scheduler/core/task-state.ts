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

/** The whole life of a task. A state that leads nowhere is final. */
export const leadsTo = {
  pending: ["queued", "failed", "skipped", "cancelled"],
  queued: ["starting", "running", "waiting_for_input", "completed", "failed", "cancelled"],
  starting: ["running", "waiting_for_input", "completed", "failed", "queued", "cancelled"],
  running: ["waiting_for_input", "completed", "failed", "queued", "cancelled"],
  waiting_for_input: ["running", "completed", "failed", "queued", "cancelled"],
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
