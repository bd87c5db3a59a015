import { timestampDate } from "@bufbuild/protobuf/wkt";
import type pc from "picocolors";
import type { RunState } from "../gen/antiphon/scheduler/v1/run_pb.ts";
import { type Task, TaskState } from "../gen/antiphon/scheduler/v1/task_pb.ts";
import { formatDuration } from "./duration.ts";
import { plainText } from "./plain-text.ts";
import { runStateWord, stateWord } from "./state-word.ts";
import { padded } from "./table.ts";

/** A run as it is drawn. */
export interface DrawnRun {
  readonly name: string;
  readonly runId: string;
  readonly state: RunState;
  readonly startedAt: Date;
  /** In the order of the definition. */
  readonly nodes: readonly DrawnNode[];
}

/** A node with what it waits for. */
export interface DrawnNode {
  readonly id: string;
  readonly dependencies: readonly string[];
  readonly task: Pick<Task, "state" | "attempt" | "startedAt" | "endedAt">;
}

export interface DrawnOn {
  readonly now: Date;
  readonly columns: number;
  /** Nodes that do not fit are counted instead. */
  readonly rows: number;
  readonly colors: ReturnType<typeof pc.createColors>;
}

/** Draws a run: nodes that start after as many others share a line, as far as the terminal is wide. */
export function runTree({ name, runId, state, startedAt, nodes }: DrawnRun, on: DrawnOn): string[] {
  const elapsed = formatDuration(on.now.getTime() - startedAt.getTime());
  // What a line may take besides the name: an id, a state and a time.
  const shortName = plainText(name).slice(0, Math.max(10, on.columns - 60));
  const head = `${on.colors.bold(shortName)}  ${runId}  ${runStateWord(state).toUpperCase()} ${elapsed}`;
  const width = columnWidth(nodes, on.columns);
  const perLine = Math.max(1, Math.floor(on.columns / width));
  const ids = new Map(nodes.map((node) => [node.id, node]));
  const lines = levelsOf(nodes).flatMap((level) =>
    chunks(level, perLine).map((part) =>
      part
        .map((node) => drawn(node, { ids, width, on }))
        .join("")
        .trimEnd(),
    ),
  );
  const room = Math.max(1, on.rows - 3);
  if (lines.length <= room) return [head, ...lines];
  return [head, ...lines.slice(0, room - 1), countLine(nodes)];
}

/** Nodes by the length of the longest way to them. */
function levelsOf(nodes: readonly DrawnNode[]): DrawnNode[][] {
  const ids = new Map(nodes.map((node) => [node.id, node]));
  const levels = new Map<string, number>();
  // Without recursion: a chain may be as long as a workflow is.
  const open = [...nodes].reverse();
  for (let node = open.at(-1); node !== undefined; node = open.at(-1)) {
    const unknown = node.dependencies.filter((id) => ids.has(id) && !levels.has(id));
    if (unknown.length === 0 || levels.has(node.id)) {
      levels.set(node.id, 1 + Math.max(-1, ...node.dependencies.map((id) => levels.get(id) ?? -1)));
      open.pop();
    } else {
      open.push(...unknown.flatMap((id) => ids.get(id) ?? []));
    }
  }
  const byLevel: DrawnNode[][] = [];
  for (const node of nodes) (byLevel[levels.get(node.id) ?? 0] ??= []).push(node);
  return byLevel;
}

function drawn(
  { id, dependencies, task }: DrawnNode,
  {
    ids,
    width,
    on,
  }: { readonly ids: ReadonlyMap<string, DrawnNode>; readonly width: number; readonly on: DrawnOn },
): string {
  const glyph = glyphs[task.state] ?? "?";
  const text = `${id}   ${saidOf({ id, dependencies, task }, ids, on.now)}`;
  return ` ${colored(glyph, task.state, on.colors)} ${padded(text.slice(0, width - 4), width - 3)}`;
}

function saidOf({ dependencies, task }: DrawnNode, ids: ReadonlyMap<string, DrawnNode>, now: Date): string {
  if (task.state === TaskState.PENDING) {
    const waitsFor = dependencies.filter((id) => ids.get(id)?.task.state !== TaskState.COMPLETED);
    return waitsFor.length === 0
      ? ""
      : `waits for ${waitsFor.slice(0, 3).join(", ")}${waitsFor.length > 3 ? ", …" : ""}`;
  }
  const { startedAt, endedAt, attempt } = task;
  const took =
    startedAt === undefined
      ? ""
      : formatDuration(
          (endedAt === undefined ? now : timestampDate(endedAt)).getTime() -
            timestampDate(startedAt).getTime(),
        );
  const word = quietStates.has(task.state) ? "" : stateWord(task.state).replaceAll("_", " ");
  const again = attempt > 1 ? `(attempt ${attempt})` : "";
  return [took, word, again].filter((part) => part !== "").join("  ");
}

function columnWidth(nodes: readonly DrawnNode[], columns: number): number {
  const longest = Math.max(...nodes.map(({ id }) => id.length), 1);
  return Math.min(columns, longest + 30);
}

function countLine(nodes: readonly DrawnNode[]): string {
  const counts = new Map<string, number>();
  for (const { task } of nodes)
    counts.set(stateWord(task.state), (counts.get(stateWord(task.state)) ?? 0) + 1);
  return ` … ${[...counts].map(([word, count]) => `${count} ${word}`).join(", ")}`;
}

/** States that their glyph says well enough. */
const quietStates = new Set<TaskState>([TaskState.RUNNING, TaskState.COMPLETED]);

const glyphs: Readonly<Record<number, string>> = {
  [TaskState.PENDING]: "○",
  [TaskState.QUEUED]: "◌",
  [TaskState.STARTING]: "◍",
  [TaskState.RUNNING]: "●",
  [TaskState.WAITING_FOR_INPUT]: "?",
  [TaskState.COMPLETED]: "✔",
  [TaskState.FAILED]: "✖",
  [TaskState.CANCELLED]: "⊘",
  [TaskState.SKIPPED]: "–",
};

function colored(glyph: string, state: TaskState, colors: DrawnOn["colors"]): string {
  if (state === TaskState.COMPLETED) return colors.green(glyph);
  if (state === TaskState.FAILED) return colors.red(glyph);
  if (state === TaskState.RUNNING || state === TaskState.WAITING_FOR_INPUT) return colors.yellow(glyph);
  return colors.dim(glyph);
}

function chunks<Item>(items: readonly Item[], size: number): Item[][] {
  const parts: Item[][] = [];
  for (let start = 0; start < items.length; start += size) parts.push(items.slice(start, start + size));
  return parts;
}
