/*
 * What may follow what in a transcript.
 *
 *   S1. Within an attempt numbers follow each other without a hole.
 *   S2. The first entry of a later attempt follows the last entry of the one
 *       before. Where history knows the number of an attempt's last entry (it
 *       ended with a report), everything up to that number must be there first.
 *       Where it does not (the worker was lost), whatever is there is all.
 *   S3. Only the first entry of the first attempt is known to follow the
 *       beginning without asking history.
 */
import type { TaskIOState } from "../../gen/antiphon/internal/v1/task_state_service_pb.ts";
import { TaskState } from "../../gen/antiphon/scheduler/v1/task_pb.ts";
import type { Cursor } from "./cursor.ts";

/** Entries of one attempt that should be somewhere, the first and the last of them. */
export interface Missing {
  readonly attempt: number;
  readonly firstSeq: number;
  readonly lastSeq: number;
}

/** Whether history is over for a task. */
export function isFinal(state: TaskState): boolean {
  return (
    state === TaskState.COMPLETED ||
    state === TaskState.FAILED ||
    state === TaskState.CANCELLED ||
    state === TaskState.SKIPPED
  );
}

/** Whether an entry is the next one without asking history (S1, S3). */
export function follows(next: Cursor, at: Cursor): boolean {
  if (at.attempt === 0) return next.attempt === 1 && next.seq === 1;
  return next.attempt === at.attempt && next.seq === at.seq + 1;
}

/** The first entries between two places that should be there (S1, S2), undefined when none should. */
export function missingBetween(
  at: Cursor,
  next: Cursor,
  { lastSeqs }: Pick<TaskIOState, "lastSeqs">,
): Missing | undefined {
  return (
    missingOfEnded(at, lastSeqs, (attempt) => attempt < next.attempt) ??
    missingOf({ attempt: next.attempt, lastSeq: next.seq - 1 }, at)
  );
}

/** The first entries after a place that should be there according to history (S2), undefined when none should. */
export function missingAfter(at: Cursor, { lastSeqs }: Pick<TaskIOState, "lastSeqs">): Missing | undefined {
  return missingOfEnded(at, lastSeqs, () => true);
}

/**
 * Whether nothing comes after a place any more. `nothingAfter` says whether the
 * stream was asked after the state was, and then the archive, and neither had
 * anything: what a lost worker's attempt left is known from there alone.
 */
export function isComplete(
  at: Cursor,
  { state, nothingAfter }: { readonly state: TaskIOState; readonly nothingAfter: boolean },
): boolean {
  if (!isFinal(state.state) || missingAfter(at, state) !== undefined) return false;
  return nothingAfter || state.attempt === 0 || state.lastSeqs[state.attempt] !== undefined;
}

function missingOfEnded(
  at: Cursor,
  lastSeqs: Readonly<Record<number, number>>,
  isConcerned: (attempt: number) => boolean,
): Missing | undefined {
  return Object.entries(lastSeqs)
    .map(([attempt, lastSeq]) => ({ attempt: Number(attempt), lastSeq }))
    .filter(({ attempt }) => attempt >= at.attempt && isConcerned(attempt))
    .sort((a, b) => a.attempt - b.attempt)
    .map((ended) => missingOf(ended, at))
    .find((missing) => missing !== undefined);
}

function missingOf(
  { attempt, lastSeq }: { attempt: number; lastSeq: number },
  at: Cursor,
): Missing | undefined {
  const firstSeq = attempt === at.attempt ? at.seq + 1 : 1;
  return firstSeq <= lastSeq ? { attempt, firstSeq, lastSeq } : undefined;
}
