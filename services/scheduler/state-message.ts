import { RunState as RunStateMessage } from "../../gen/antiphon/scheduler/v1/run_pb.ts";
import { TaskState as TaskStateMessage } from "../../gen/antiphon/scheduler/v1/task_pb.ts";
import type { RunState, TaskState } from "./core/task-state.ts";

/** States of tasks as the contract has them. */
export const taskStateMessage = {
  pending: TaskStateMessage.PENDING,
  queued: TaskStateMessage.QUEUED,
  starting: TaskStateMessage.STARTING,
  running: TaskStateMessage.RUNNING,
  waiting_for_input: TaskStateMessage.WAITING_FOR_INPUT,
  completed: TaskStateMessage.COMPLETED,
  failed: TaskStateMessage.FAILED,
  cancelled: TaskStateMessage.CANCELLED,
  skipped: TaskStateMessage.SKIPPED,
} as const satisfies Record<TaskState, TaskStateMessage>;

/** The state that a message's number means, or undefined when it is none. */
export function taskStateOf(message: TaskStateMessage): TaskState | undefined {
  return Object.entries(taskStateMessage).find(([, value]) => value === message)?.[0] as
    | TaskState
    | undefined;
}

/** States of runs as the contract has them. */
export const runStateMessage = {
  pending: RunStateMessage.PENDING,
  running: RunStateMessage.RUNNING,
  paused: RunStateMessage.PAUSED,
  completed: RunStateMessage.COMPLETED,
  failed: RunStateMessage.FAILED,
  cancelled: RunStateMessage.CANCELLED,
} as const satisfies Record<RunState, RunStateMessage>;

/** The state that a message's number means, or undefined when it is none. */
export function runStateOf(message: RunStateMessage): RunState | undefined {
  return Object.entries(runStateMessage).find(([, value]) => value === message)?.[0] as RunState | undefined;
}
