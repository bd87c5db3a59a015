import { RunState, RunStateSchema } from "../gen/antiphon/scheduler/v1/run_pb.ts";
import { TaskState, TaskStateSchema } from "../gen/antiphon/scheduler/v1/task_pb.ts";

/** A task's state as people read it: `waiting_for_input`. */
export function stateWord(state: TaskState): string {
  return (TaskStateSchema.value[state]?.name ?? "unknown").replace("TASK_STATE_", "").toLowerCase();
}

/** A run's state as people read it. */
export function runStateWord(state: RunState): string {
  return (RunStateSchema.value[state]?.name ?? "unknown").replace("RUN_STATE_", "").toLowerCase();
}

/** The states of runs by the words that people read them as. */
export const runStates: Readonly<Record<string, RunState>> = {
  pending: RunState.PENDING,
  running: RunState.RUNNING,
  paused: RunState.PAUSED,
  completed: RunState.COMPLETED,
  failed: RunState.FAILED,
  cancelled: RunState.CANCELLED,
};

/** The states of stand-alone tasks by the words that people read them as. */
export const taskStates: Readonly<Record<string, TaskState>> = {
  pending: TaskState.PENDING,
  queued: TaskState.QUEUED,
  starting: TaskState.STARTING,
  running: TaskState.RUNNING,
  waiting_for_input: TaskState.WAITING_FOR_INPUT,
  completed: TaskState.COMPLETED,
  failed: TaskState.FAILED,
  cancelled: TaskState.CANCELLED,
};
