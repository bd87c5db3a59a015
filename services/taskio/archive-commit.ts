import type { Cursor } from "./cursor.ts";
import type { Chunk } from "./transcript-store.ts";

/** How much goes into one statement: enough to share its commit, little enough to be trimmed, and shown, soon. */
const bytesPerCommit = 2 * 1_048_576;
const entriesPerCommit = 2_000;

/** Takes as much as goes into one statement from the first of the chunks, but one entry at least, and answers the rest. */
export function nextCommit(waiting: readonly Chunk[]): {
  readonly commit: readonly Chunk[];
  readonly rest: readonly Chunk[];
} {
  const commit: Chunk[] = [];
  const rest: Chunk[] = [];
  let bytes = 0;
  let count = 0;
  for (const chunk of waiting) {
    const size = chunk.entries.findIndex(({ body }) => {
      bytes += body.length;
      count += 1;
      return count > 1 && (bytes > bytesPerCommit || count > entriesPerCommit);
    });
    if (size === -1) {
      commit.push(chunk);
      continue;
    }
    if (size > 0) commit.push({ ...chunk, entries: chunk.entries.slice(0, size) });
    rest.push({
      taskId: chunk.taskId,
      after: chunk.entries[size - 1] ?? chunk.after,
      entries: chunk.entries.slice(size),
    });
  }
  return { commit, rest };
}

/** The place of the last entry of a chunk. */
export function endOf({ after, entries }: Chunk): Cursor {
  return entries.at(-1) ?? after;
}
