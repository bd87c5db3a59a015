import type { TaskIOState } from "../../gen/antiphon/internal/v1/task_state_service_pb.ts";
import { type Cursor, compareCursors } from "./cursor.ts";
import { follows, isFinal, type Missing, missingAfter, missingBetween } from "./succession.ts";
import type { StoredEntry } from "./transcript-store.ts";

/** What there is to archive of one task, and why no more. */
export interface ArchivePlan {
  /** Entries that follow the archive and each other. */
  readonly entries: readonly StoredEntry[];
  /** The place of the last of them, or of the archive's last. */
  readonly at: Cursor;
  readonly stop: ArchiveStop;
}

/** Why a plan goes no further. */
export type ArchiveStop =
  /** The stream has nothing else. */
  | { readonly kind: "drained" }
  /** The stream was not read to its end. */
  | { readonly kind: "more" }
  /** What follows depends on history, which was not asked or does not know that attempt yet. */
  | { readonly kind: "needs_history" }
  /** Entries are missing that the stream does not have. */
  | { readonly kind: "hole"; readonly missing: Missing };

/** Decides what of a stream's entries follows the archive, which ends at `head`. */
export function archivePlan({
  head,
  stream,
  isWhole,
  state,
}: {
  readonly head: Cursor;
  /** In order; may begin with entries that are archived. */
  readonly stream: readonly StoredEntry[];
  /** Whether it was read to its end. */
  readonly isWhole: boolean;
  /** History, if it was asked after the stream was read. */
  readonly state: TaskIOState | undefined;
}): ArchivePlan {
  const entries: StoredEntry[] = [];
  let at = head;
  for (const entry of stream) {
    if (compareCursors(entry, at) <= 0) continue;
    if (!follows(entry, at)) {
      if (state === undefined || state.attempt < entry.attempt)
        return { entries, at, stop: { kind: "needs_history" } };
      const missing = missingBetween(at, entry, state);
      if (missing) return { entries, at, stop: { kind: "hole", missing } };
    }
    entries.push(entry);
    at = entry;
  }
  if (!isWhole) return { entries, at, stop: { kind: "more" } };
  const missing = state && missingAfter(at, state);
  return { entries, at, stop: missing ? { kind: "hole", missing } : { kind: "drained" } };
}

/** Whether, as far as history goes, the worker of an attempt writes no more. */
export function isOver(attempt: number, state: TaskIOState): boolean {
  return isFinal(state.state) || state.attempt > attempt;
}
