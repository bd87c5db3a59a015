import { timestampDate } from "@bufbuild/protobuf/wkt";
import type pc from "picocolors";
import type { RunState } from "../gen/antiphon/scheduler/v1/run_pb.ts";
import { type Task, TaskState } from "../gen/antiphon/scheduler/v1/task_pb.ts";
import { formatDuration } from "./duration.ts";
import { layersOf } from "./layers.ts";
import { plainText } from "./plain-text.ts";
import { glyphOf } from "./state-glyph.ts";
import { runStateWord, stateWord } from "./state-word.ts";
import { padded } from "./table.ts";

/** A run as it is drawn. */
export interface DrawnRun {
  readonly name: string;
  readonly runId: string;
  readonly state: RunState;
  readonly startedAt: Date;
  /** Undefined while it has not ended. */
  readonly endedAt: Date | undefined;
  /** Why it does not go on, as a whole. */
  readonly wait: string;
  /** In the order of the definition. */
  readonly nodes: readonly DrawnNode[];
}

/** A node with what it waits for. */
export interface DrawnNode {
  readonly id: string;
  readonly dependencies: readonly string[];
  readonly task: Pick<Task, "state" | "attempt" | "startedAt" | "endedAt">;
  /** `retry 2/5 at 12:04:10`, `12 of 20 items`; may be empty. */
  readonly said: string;
  /** What stands below it, a line each: why it waits or failed. */
  readonly details: readonly string[];
  /** The run that it started. */
  readonly child: DrawnRun | undefined;
}

export interface DrawnOn {
  readonly now: Date;
  readonly columns: number;
  /** Nodes that do not fit are counted instead. */
  readonly rows: number;
  readonly colors: ReturnType<typeof pc.createColors>;
}

/** Draws a run: nodes that start after as many others share a line, as far as the terminal is wide. */
export function runTree(run: DrawnRun, on: DrawnOn): string[] {
  const { name, runId, state, startedAt, endedAt, wait } = run;
  const elapsed = formatDuration((endedAt ?? on.now).getTime() - startedAt.getTime());
  // What a line may take besides the name: an id, a state and a time.
  const shortName = plainText(name).slice(0, Math.max(10, on.columns - 60));
  const head = `${on.colors.bold(shortName)}  ${runId}  ${runStateWord(state).toUpperCase()} ${elapsed}`;
  const heads = wait === "" ? [head] : [head, on.colors.yellow(`  ${plainText(wait)}`)];
  const room = Math.max(1, on.rows - 3);
  const lines = nodeLines(run.nodes, run.nodes, on);
  if (lines.length <= room) return [...heads, ...lines];
  // What is going on, or went wrong, is worth more than what is over or to come.
  const lively = run.nodes.filter(({ task }) => !quietStates.has(task.state));
  const shown = lively.length === 0 ? lines : nodeLines(lively, run.nodes, on);
  return [...heads, ...shown.slice(0, room - 1), countLine(run.nodes)];
}

function nodeLines(nodes: readonly DrawnNode[], all: readonly DrawnNode[], on: DrawnOn): string[] {
  const states = new Map(all.map(({ id, task }) => [id, task.state]));
  const longest = nodes.reduce((length, { id }) => Math.max(length, id.length), 1);
  const width = Math.min(on.columns, longest + 36);
  const perLine = Math.max(1, Math.floor(on.columns / width));
  return layersOf(nodes).flatMap((layer) =>
    chunks(layer, perLine).flatMap((part) => [
      part
        .map((node) => cell(node, { states, width: part.length === 1 ? on.columns : width, on }))
        .join("")
        .trimEnd(),
      ...part.flatMap((node) => linesBelow(node, part.length > 1, on)),
    ]),
  );
}

function linesBelow({ id, details, child }: DrawnNode, isNamed: boolean, on: DrawnOn): string[] {
  const told = details.map(
    (detail) => `${isNamed ? `${id}: ` : ""}${plainText(detail).replaceAll("\n", " ")}`,
  );
  return [
    ...told.map((line) => on.colors.dim(`     ${line}`)),
    ...(child === undefined
      ? []
      : runTree(child, { ...on, columns: on.columns - 4 }).map((line) => `    ${line}`)),
  ];
}

function cell(
  node: DrawnNode,
  {
    states,
    width,
    on,
  }: { readonly states: ReadonlyMap<string, TaskState>; readonly width: number; readonly on: DrawnOn },
): string {
  const { id, task } = node;
  const text = `${id}   ${saidOf(node, states, on.now)}`;
  const shown = padded(text.slice(0, width - 4), width - 3);
  return ` ${glyphOf(task.state, on.colors)} ${task.state === TaskState.SKIPPED ? on.colors.dim(shown) : shown}`;
}

function saidOf(
  { dependencies, task, said }: DrawnNode,
  states: ReadonlyMap<string, TaskState>,
  now: Date,
): string {
  const { state, startedAt, endedAt, attempt } = task;
  if (state === TaskState.PENDING) return said === "" ? dependenciesText(dependencies, states) : said;
  const end = endedAt === undefined ? now : timestampDate(endedAt);
  const took =
    startedAt === undefined ? "" : formatDuration(end.getTime() - timestampDate(startedAt).getTime());
  const word = plainStates.has(state) ? "" : stateWord(state).replaceAll("_", " ");
  const again = attempt > 1 ? `(attempt ${attempt})` : "";
  return [took, word, again, said].filter((part) => part !== "").join("  ");
}

function dependenciesText(dependencies: readonly string[], states: ReadonlyMap<string, TaskState>): string {
  const open = dependencies.filter((id) => states.get(id) !== TaskState.COMPLETED);
  return open.length === 0 ? "" : `waits for ${open.slice(0, 3).join(", ")}${open.length > 3 ? ", …" : ""}`;
}

function countLine(nodes: readonly DrawnNode[]): string {
  const counts = new Map<string, number>();
  for (const { task } of nodes)
    counts.set(stateWord(task.state), (counts.get(stateWord(task.state)) ?? 0) + 1);
  return ` … ${[...counts].map(([word, count]) => `${count} ${word}`).join(", ")}`;
}

/** States that their glyph says well enough. */
const plainStates: ReadonlySet<TaskState> = new Set([TaskState.RUNNING, TaskState.COMPLETED]);

/** States in which nothing happens. */
const quietStates: ReadonlySet<TaskState> = new Set([
  TaskState.PENDING,
  TaskState.COMPLETED,
  TaskState.SKIPPED,
  TaskState.CANCELLED,
]);

function chunks<Item>(items: readonly Item[], size: number): Item[][] {
  const parts: Item[][] = [];
  for (let start = 0; start < items.length; start += size) parts.push(items.slice(start, start + size));
  return parts;
}
