import { beginning, type Cursor } from "./cursor.ts";
import type { Chunk, StoredEntry } from "./transcript-store.ts";

/** How much goes into one statement: enough to share its commit, little enough to be shown soon. */
const bytesPerCommit = 2 * 1_048_576;
const entriesPerCommit = 2_000;

/** A task as archiving finds it. */
export interface ArchiveView {
  readonly taskId: string;
  /** The place of the last stored entry, undefined when none is. */
  readonly head: Cursor | undefined;
  /** What the stream holds, read after the head. May begin with entries that are stored. */
  readonly stream: readonly StoredEntry[];
}

/** What to store of one task in one statement: the first of its new entries, none when there are none. */
export function chunkOf({ taskId, head = beginning }: ArchiveView, entries: readonly StoredEntry[]): Chunk {
  let bytes = 0;
  const fitting = entries.findIndex((entry, index) => {
    bytes += entry.body.length;
    return index > 0 && bytes > bytesPerCommit;
  });
  return { taskId, after: head, entries: fitting === -1 ? entries : entries.slice(0, fitting) };
}

/** Puts chunks together into statements. Empty ones are left out. */
export function commits(chunks: readonly Chunk[]): Chunk[][] {
  const batches: Chunk[][] = [];
  let bytes = Infinity;
  let count = Infinity;
  for (const chunk of chunks) {
    if (chunk.entries.length === 0) continue;
    const chunkBytes = chunk.entries.reduce((sum, { body }) => sum + body.length, 0);
    if (bytes + chunkBytes > bytesPerCommit || count + chunk.entries.length > entriesPerCommit) {
      batches.push([]);
      bytes = 0;
      count = 0;
    }
    batches.at(-1)?.push(chunk);
    bytes += chunkBytes;
    count += chunk.entries.length;
  }
  return batches;
}
