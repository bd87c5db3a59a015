/*
 * How the seeds' routes call states: the workflow engines' four statuses of a
 * run, those of its nodes, and the Waldiez runner's six of a task. Nothing else
 * of the gateway names one.
 */
import { RunState } from "../../../gen/antiphon/scheduler/v1/run_pb.ts";
import { TaskState } from "../../../gen/antiphon/scheduler/v1/task_pb.ts";

/** A run, as the workflow engines call it. */
export const engineStatuses = ["PENDING", "RUNNING", "COMPLETED", "FAILED"] as const;

/** A node of a run, as the workflow engines call it. */
export const engineNodeStatuses = [...engineStatuses, "SKIPPED"] as const;

/** A task, as the Waldiez runner calls it. */
export const waldiezStatuses = [
  "PENDING",
  "RUNNING",
  "WAITING_FOR_INPUT",
  "COMPLETED",
  "FAILED",
  "CANCELLED",
] as const;

export type EngineStatus = (typeof engineStatuses)[number];
export type EngineNodeStatus = (typeof engineNodeStatuses)[number];
export type WaldiezStatus = (typeof waldiezStatuses)[number];

const engineStatusOf = new Map<RunState, EngineStatus>([
  [RunState.PENDING, "PENDING"],
  [RunState.RUNNING, "RUNNING"],
  // It has begun and not ended.
  [RunState.PAUSED, "RUNNING"],
  [RunState.COMPLETED, "COMPLETED"],
  [RunState.FAILED, "FAILED"],
  // It did not do what it was for.
  [RunState.CANCELLED, "FAILED"],
]);

const engineNodeStatusOf = new Map<TaskState, EngineNodeStatus>([
  [TaskState.PENDING, "PENDING"],
  [TaskState.QUEUED, "PENDING"],
  [TaskState.STARTING, "RUNNING"],
  [TaskState.RUNNING, "RUNNING"],
  [TaskState.WAITING_FOR_INPUT, "RUNNING"],
  [TaskState.COMPLETED, "COMPLETED"],
  [TaskState.FAILED, "FAILED"],
  [TaskState.CANCELLED, "FAILED"],
  [TaskState.SKIPPED, "SKIPPED"],
]);

const waldiezStatusOf = new Map<TaskState, WaldiezStatus>([
  [TaskState.PENDING, "PENDING"],
  [TaskState.QUEUED, "PENDING"],
  // It is running once its program is.
  [TaskState.STARTING, "PENDING"],
  [TaskState.RUNNING, "RUNNING"],
  [TaskState.WAITING_FOR_INPUT, "WAITING_FOR_INPUT"],
  [TaskState.COMPLETED, "COMPLETED"],
  [TaskState.FAILED, "FAILED"],
  [TaskState.CANCELLED, "CANCELLED"],
  // A task that stands alone is never skipped.
  [TaskState.SKIPPED, "CANCELLED"],
]);

/** A run's state as the workflow engines call it. */
export function engineStatus(state: RunState): EngineStatus {
  return engineStatusOf.get(state) ?? "PENDING";
}

/** The states of runs that the workflow engines call so. */
export function runStatesOf(status: EngineStatus): RunState[] {
  return [...engineStatusOf].filter(([, name]) => name === status).map(([state]) => state);
}

/** A task's state as the workflow engines call that of a node. */
export function engineNodeStatus(state: TaskState): EngineNodeStatus {
  return engineNodeStatusOf.get(state) ?? "PENDING";
}

/** A task's state as the Waldiez runner calls it. */
export function waldiezStatus(state: TaskState): WaldiezStatus {
  return waldiezStatusOf.get(state) ?? "PENDING";
}

/** The states of tasks that the Waldiez runner calls so. */
export function taskStatesOf(status: WaldiezStatus): TaskState[] {
  return [...waldiezStatusOf].filter(([, name]) => name === status).map(([state]) => state);
}

/** The name of a task's state, as refusals tell it (`waiting_for_input`), as the Waldiez runner calls the state. */
export function waldiezStatusNamed(stateName: string): WaldiezStatus {
  return waldiezStatus(TaskState[stateName.toUpperCase() as keyof typeof TaskState]);
}
