import type pc from "picocolors";
import { TaskState } from "../gen/antiphon/scheduler/v1/task_pb.ts";

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

/** A task's state as one character, coloured. */
export function glyphOf(state: TaskState, colors: ReturnType<typeof pc.createColors>): string {
  const glyph = glyphs[state] ?? "·";
  if (state === TaskState.COMPLETED) return colors.green(glyph);
  if (state === TaskState.FAILED) return colors.red(glyph);
  if (state === TaskState.RUNNING || state === TaskState.WAITING_FOR_INPUT) return colors.yellow(glyph);
  return colors.dim(glyph);
}
