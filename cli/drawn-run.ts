import { timestampDate } from "@bufbuild/protobuf/wkt";
import { RunState } from "../gen/antiphon/scheduler/v1/run_pb.ts";
import { type Task, TaskState, type Wait } from "../gen/antiphon/scheduler/v1/task_pb.ts";
import type { Node } from "../gen/antiphon/scheduler/v1/workflow_pb.ts";
import { isFinalTask } from "../sdk/typescript/antiphon.ts";
import { failureText } from "./outcome.ts";
import { questionText } from "./question-text.ts";
import type { BookedRun, RunBook } from "./run-book.ts";
import type { DrawnNode, DrawnRun } from "./run-tree.ts";
import { clock } from "./times.ts";

/** How many attempts a policy allows that does not say. */
const defaultAttempts = 3;

/** So many items that went wrong are told of one by one. */
const mostItemsTold = 3;

/** Runs in runs are drawn so deep. */
const mostLevels = 5;

/** The runs of a book that no other of it started, as they are drawn. */
export function drawnRuns(book: RunBook, now: Date): DrawnRun[] {
  const children = new Set(
    book.runs.flatMap(({ tasks, items }) =>
      [...tasks.values(), ...[...items.values()].flatMap((ofNode) => [...ofNode.values()])].map(
        ({ childRunId }) => childRunId,
      ),
    ),
  );
  return book.runs
    .filter(({ run }) => !children.has(run.runId))
    .map((booked) => drawnRun(booked, { book, now, levels: mostLevels }));
}

interface In {
  readonly book: RunBook;
  readonly now: Date;
  readonly levels: number;
}

function drawnRun(booked: BookedRun, within: In): DrawnRun {
  const { run, dag, tasks, waits } = booked;
  const nodes = dag.nodes.flatMap((node) => {
    const task = tasks.get(node.id);
    return task === undefined ? [] : [drawnNode(booked, { node, task }, within)];
  });
  return {
    name: run.name,
    runId: run.runId,
    state: run.state,
    startedAt: run.createdAt === undefined ? within.now : timestampDate(run.createdAt),
    endedAt: run.endedAt === undefined ? undefined : timestampDate(run.endedAt),
    wait: waits.get("")?.message ?? "",
    nodes,
  };
}

function drawnNode(
  booked: BookedRun,
  { node, task }: { readonly node: Node; readonly task: Task },
  within: In,
): DrawnNode {
  const wait = isFinalTask(task.state) ? undefined : (task.wait ?? booked.waits.get(task.taskId));
  const items = [...(booked.items.get(node.id)?.entries() ?? [])];
  const child = task.childRunId === "" ? undefined : within.book.of(task.childRunId);
  return {
    id: node.id,
    dependencies: node.dependencies,
    task,
    said: [retryText(node, task, wait, within.now), itemsText(task)].filter((part) => part !== "").join("  "),
    details: [...detailsOf(task, wait), ...itemDetails(node, items)],
    child:
      child === undefined || within.levels === 0
        ? undefined
        : drawnChild(child, { ...within, levels: within.levels - 1 }),
  };
}

/** Of a run that came to a good end nobody asks for the nodes. */
function drawnChild(child: BookedRun, within: In): DrawnRun {
  const drawn = drawnRun(child, within);
  return drawn.state === RunState.COMPLETED ? { ...drawn, nodes: [] } : drawn;
}

/** `retry 2/5 at 12:04:10`, while the next attempt has not begun. */
function retryText({ retry }: Node, task: Task, wait: Wait | undefined, now: Date): string {
  if (task.state !== TaskState.PENDING || task.failedAttempts === 0) return "";
  const most = retry?.maxAttempts || defaultAttempts;
  const when = wait?.until === undefined ? "" : ` at ${clock(wait.until, now)}`;
  return `retry ${task.failedAttempts + 1}/${most}${when}`;
}

function itemsText({ items }: Task): string {
  return items === undefined ? "" : `${items.ended} of ${items.total} items`;
}

function detailsOf(
  { nodeId, state, failure, lastFailure, openPrompts }: Task,
  wait: Wait | undefined,
): string[] {
  if (state === TaskState.FAILED) return failure === undefined ? [] : [failureText(failure, nodeId)];
  if (isFinalTask(state)) return [];
  return [
    ...(wait === undefined || toldOtherwise.has(wait.reason) ? [] : [wait.message]),
    ...(state === TaskState.PENDING && lastFailure !== undefined ? [failureText(lastFailure, nodeId)] : []),
    ...openPrompts.map((prompt) => `asks ${JSON.stringify(questionText(prompt).trim())}`),
  ];
}

/** Waits that the node's own line says. */
const toldOtherwise = new Set(["RETRY", "PROMPT", "CHILD_RUN", "WORKER_BUSY"]);

/** The items that went wrong, and those that are tried again. */
function itemDetails({ id, retry }: Node, items: readonly (readonly [number, Task])[]): string[] {
  const failedFirst = items.toSorted(
    ([a, { state: stateOfA }], [b, { state: stateOfB }]) =>
      Number(stateOfB === TaskState.FAILED) - Number(stateOfA === TaskState.FAILED) || a - b,
  );
  const wrong = failedFirst.flatMap(([index, { state, failure, lastFailure, failedAttempts }]) => {
    const why = state === TaskState.FAILED ? failure : isFinalTask(state) ? undefined : lastFailure;
    if (why === undefined) return [];
    const next = `, retry ${failedAttempts + 1}/${retry?.maxAttempts || defaultAttempts}`;
    return `item ${index}: ${failureText(why, id)}${state === TaskState.FAILED ? "" : next}`;
  });
  const more = wrong.length - mostItemsTold;
  return more > 0 ? [...wrong.slice(0, mostItemsTold), `and ${more} more items`] : wrong;
}
