import { beginning, type Cursor, compareCursors } from "../../../services/taskio/cursor.ts";
import type { TranscriptStore } from "../../../services/taskio/transcript-store.ts";
import type { SimulatedDatabase } from "./simulated-database.ts";

export * from "../../../services/taskio/transcript-store.ts";

/** The model of services/taskio/transcript-store.ts. */
export function transcriptStore(db: SimulatedDatabase): TranscriptStore {
  return {
    async append(chunks) {
      return await db.carryOut({
        name: `archive of ${chunks.length}`,
        begin: () => undefined,
        commit: ({ heads, entries }) => {
          const stored = chunks.filter(({ taskId, after }) => {
            const head = heads.get(taskId);
            return after.attempt === 0
              ? head === undefined
              : head !== undefined && compareCursors(head, after) === 0;
          });
          for (const { taskId, entries: added } of stored) {
            const { attempt, seq } = added.at(-1) ?? beginning;
            heads.set(taskId, { attempt, seq });
            entries.set(taskId, [...(entries.get(taskId) ?? []), ...added]);
          }
          db.watcher.archived(stored);
          return new Set(stored.map(({ taskId }) => taskId));
        },
      });
    },

    async heads(taskIds) {
      return await db.carryOut({
        name: "heads",
        begin: ({ heads }) =>
          new Map(
            taskIds.flatMap((taskId): [string, Cursor][] => {
              const head = heads.get(taskId);
              return head === undefined ? [] : [[taskId, head]];
            }),
          ),
      });
    },

    async read({ taskId, after, maxCount }) {
      return await db.carryOut({
        name: "transcript",
        begin: ({ entries }) =>
          (entries.get(taskId) ?? []).filter((entry) => compareCursors(entry, after) > 0).slice(0, maxCount),
      });
    },

    tasksOf: async () => await db.query(),
    removeHeads: async () => await db.query(),
    removeEntries: async () => await db.query(),
  };
}
