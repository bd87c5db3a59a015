import type { Run } from "../gen/antiphon/scheduler/v1/run_pb.ts";
import { type Task, TaskState, type Wait } from "../gen/antiphon/scheduler/v1/task_pb.ts";
import { failureText } from "./outcome.ts";
import { questionText } from "./question-text.ts";
import { itemIndexOf } from "./run-book.ts";
import { runStateWord, stateWord } from "./state-word.ts";
import { took } from "./times.ts";

/** So many items of a node that went wrong are told of one by one. */
const mostItemsTold = 20;

/** A run as rows of a name and a value: a row for each node, however many items it has, and one for each item that failed. */
export function runRows(run: Run, now: Date): string[][] {
  const { createdAt, endedAt, failure, labels, priority, parentRunId, scheduleId, rerunOf, waits } = run;
  return [
    ["name", run.name],
    ["state", runStateWord(run.state) + (run.cancelRequested ? " (asked to end)" : "")],
    ["took", took(createdAt, endedAt, now)],
    ...(failure === undefined ? [] : [["failure", failureText(failure)]]),
    ...Object.entries(labels).map(([key, value]) => ["label", `${key}=${value}`]),
    ...(priority === 0 ? [] : [["priority", String(priority)]]),
    ...(parentRunId === "" ? [] : [["parent", parentRunId]]),
    ...(scheduleId === "" ? [] : [["schedule", scheduleId]]),
    ...(rerunOf === "" ? [] : [["rerun of", rerunOf]]),
    ...waitTexts(run.runId, waits).map((text) => ["waits", text]),
    ...run.tasks.flatMap((task) =>
      task.openPrompts.map((prompt) => ["asks", `${nameOf(task)}: ${askedText(prompt)}`]),
    ),
    ...nodeRows(run.tasks),
  ];
}

/** A question as it stands in a row: with what may be answered, or that the answer is secret. */
export function askedText(prompt: Task["openPrompts"][number]): string {
  return prompt.password ? `${prompt.text} (secret)` : questionText(prompt).trimEnd();
}

/** Why it does not go on; what many items of a node wait for is said once. Questions have rows of their own. */
function waitTexts(runId: string, waits: readonly Wait[]): string[] {
  const alike = Object.groupBy(
    waits.filter(({ reason }) => reason !== "PROMPT"),
    ({ taskId, message }) =>
      `${taskId
        .slice(runId.length + 1)
        .split(".", 1)
        .join("")}\n${message}`,
  );
  return Object.values(alike).flatMap((group = []) => {
    const [first] = group;
    if (first === undefined) return [];
    const name = first.taskId.slice(runId.length + 1);
    if (name === "") return [first.message];
    const [node = ""] = name.split(".", 1);
    return [
      group.length === 1 ? `${name}: ${first.message}` : `${node} (${group.length}×): ${first.message}`,
    ];
  });
}

function nodeRows(tasks: readonly Task[]): string[][] {
  const items = Map.groupBy(
    tasks.filter((task) => itemIndexOf(task) !== undefined),
    ({ nodeId }) => nodeId,
  );
  return tasks
    .filter((task) => itemIndexOf(task) === undefined)
    .flatMap((task) => {
      const ofNode = items.get(task.nodeId) ?? [];
      return [[`node ${task.nodeId}`, nodeText(task, ofNode)], ...failedItems(ofNode)];
    });
}

/** `failed, 200 items, 3 failed: …`. */
function nodeText({ state, failure, items, nodeId }: Task, ofNode: readonly Task[]): string {
  const total = items?.total ?? ofNode.length;
  const failed = ofNode.filter((item) => item.state === TaskState.FAILED).length;
  const isUnderway = items !== undefined && items.ended < items.total;
  const counts = [
    stateWord(state),
    ...(total === 0 ? [] : [`${total} items`]),
    ...(isUnderway ? [`${items.ended} ended`] : []),
    ...(failed === 0 ? [] : [`${failed} failed`]),
  ].join(", ");
  return failure === undefined ? counts : `${counts}: ${failureText(failure, nodeId)}`;
}

function failedItems(ofNode: readonly Task[]): string[][] {
  const failed = ofNode.filter(({ state }) => state === TaskState.FAILED);
  const told = failed
    .slice(0, mostItemsTold)
    .map((item) => [
      `  ${nameOf(item)}`,
      item.failure === undefined ? "failed" : `failed: ${failureText(item.failure, item.nodeId)}`,
    ]);
  const more = failed.length - told.length;
  return more > 0 ? [...told, ["", `and ${more} more failed items`]] : told;
}

/** `fan`, or `fan.95` for an item. */
function nameOf(task: Task): string {
  const index = itemIndexOf(task);
  return index === undefined ? task.nodeId : `${task.nodeId}.${index}`;
}
