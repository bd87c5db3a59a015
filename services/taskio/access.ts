import type { TaskIOState } from "../../gen/antiphon/internal/v1/task_state_service_pb.ts";
import { DomainError } from "../../lib/errors/domain-error.ts";
import { parseTaskId } from "../../lib/ids/task-id.ts";
import type { TaskStates } from "./task-states.ts";

/** Who asks for a task. */
export interface Asker {
  readonly clientId: string;
  /** Whether it sees what belongs to others. */
  readonly isAdmin: boolean;
}

/** The task as history has it. Throws TASK_NOT_FOUND when there is none, or it belongs to another client. */
export async function taskOf(
  asker: Asker,
  { taskId, states }: { readonly taskId: string; readonly states: Pick<TaskStates, "ask"> },
): Promise<TaskIOState> {
  const state = parseTaskId(taskId) === undefined ? undefined : await states.ask(taskId);
  if (state !== undefined && (asker.isAdmin || state.clientId === asker.clientId)) return state;
  throw new DomainError("TASK_NOT_FOUND", `there is no task ${taskId}`, { task_id: taskId });
}
