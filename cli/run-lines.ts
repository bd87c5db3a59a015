import { timestampDate } from "@bufbuild/protobuf/wkt";
import { type Task, TaskState } from "../gen/antiphon/scheduler/v1/task_pb.ts";
import { failureText } from "./outcome.ts";
import { itemIndexOf, type TaskChange } from "./run-book.ts";
import { stateWord } from "./state-word.ts";

/** A change of a task as lines for scripts and logs: one, or none when it is no news. Of an item of a `for_each` node only that it failed is. */
export function changeLines({ task, before }: TaskChange, mainRunId: string): string[] {
  const index = itemIndexOf(task);
  if (index !== undefined && task.state !== TaskState.FAILED) return [];
  if (!isNews(task, before)) return [];
  const { runId, nodeId, state, attempt, failure, lastFailure, endedAt, failedAttempts, items, childRunId } =
    task;
  const time = (endedAt === undefined ? new Date() : timestampDate(endedAt)).toISOString();
  const isRetry = state === TaskState.PENDING && failedAttempts > 0;
  const why = isRetry ? (lastFailure ?? failure) : failure;
  return [
    [
      time.replace(/\.\d+Z$/, "Z"),
      ...(runId === mainRunId || runId === "" ? [] : [`run=${runId}`]),
      `node=${nodeId}`,
      ...(index === undefined ? [] : [`item=${index}`]),
      `state=${isRetry ? "RETRYING" : stateWord(state).toUpperCase()}`,
      `attempt=${attempt}`,
      ...(items === undefined ? [] : [`items=${items.ended}/${items.total}`]),
      ...(childRunId === "" ? [] : [`child=${childRunId}`]),
      ...(why === undefined ? [] : [`failure=${JSON.stringify(failureText(why))}`]),
    ].join(" "),
  ];
}

/** A node that has not begun is no news. */
function isNews({ state, attempt, failedAttempts, childRunId }: Task, before: Task | undefined): boolean {
  if (before === undefined) return state !== TaskState.PENDING || failedAttempts > 0;
  return (
    before.state !== state ||
    before.attempt !== attempt ||
    before.failedAttempts !== failedAttempts ||
    before.childRunId !== childRunId
  );
}
