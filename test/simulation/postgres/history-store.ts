import { DatabaseError } from "../../../lib/postgres/errors.ts";
import type { Batch, HistoryStore } from "../../../services/scheduler/history-store.ts";
import type { SimulatedDatabase } from "./simulated-database.ts";
import type { Tables } from "./tables.ts";

export * from "../../../services/scheduler/history-store.ts";

/** The model of services/scheduler/history-store.ts. */
export function historyStore(db: SimulatedDatabase): HistoryStore {
  return {
    async append(batch) {
      const partitions = batch.claims.map(({ partition }) => partition).toSorted((a, b) => a - b);
      return await db.carryOut({
        name: `append of ${batch.events.length}`,
        locks: { mode: "share", partitions },
        begin: () => undefined,
        commit: (tables) => {
          if (!isOwned(tables, batch)) return "fenced" as const;
          refuseDuplicates(tables, batch);
          write(tables, batch);
          db.watcher.committed(batch, db.process);
          return "appended" as const;
        },
      });
    },

    async eventsOf(runIds) {
      return await db.carryOut({
        name: "events",
        begin: (tables) => [...new Set(runIds)].toSorted().flatMap((runId) => [...tables.history(runId)]),
      });
    },

    async eventsToDecide(runIds) {
      return await db.carryOut({
        name: "events to decide",
        begin: (tables) => ({
          events: [...new Set(runIds)].toSorted().flatMap((runId) => [...tables.history(runId)]),
          deleted: [],
        }),
      });
    },

    async runsBeyond(known) {
      return await db.carryOut({
        name: "runs beyond",
        begin: (tables) =>
          [...known].flatMap(([runId, seq]) => (tables.history(runId).length > seq ? [runId] : [])),
      });
    },

    async eventPage({ runId, afterSeq, limit }) {
      return await db.carryOut({
        name: "event page",
        begin: (tables) =>
          tables
            .history(runId)
            .filter(({ seq }) => seq > afterSeq)
            .slice(0, limit),
      });
    },

    async liveRuns(partitions) {
      const wanted = new Set(partitions);
      return await db.carryOut({
        name: "live runs",
        begin: (tables) =>
          [...tables.runs.values()]
            .filter(({ partition, ended_at }) => wanted.has(partition) && ended_at === null)
            .toSorted((a, b) => a.created_at.getTime() - b.created_at.getTime())
            .map(({ run_id }) => ({ runId: run_id, lacksTaskState: false })),
      });
    },

    async program(runId) {
      return await db.carryOut({ name: "program", begin: (tables) => tables.programs.get(runId) });
    },
  };
}

function isOwned(tables: Tables, { incarnation, claims }: Batch): boolean {
  return claims.every(({ partition, epoch }) => {
    const row = tables.partitions.get(partition);
    return row?.owner === incarnation && row.epoch === epoch;
  });
}

function refuseDuplicates(tables: Tables, { events, started, programs }: Batch): void {
  const seen = new Set<string>();
  for (const { run_id, seq } of events) {
    const key = `${run_id} ${seq}`;
    const isThere = tables.history(run_id).some((row) => row.seq === seq) || seen.has(key);
    if (isThere) throw duplicate("run_event_pkey");
    seen.add(key);
  }
  if (started.some(({ run_id }) => tables.runs.has(run_id))) throw duplicate("run_pkey");
  if (programs.some(({ run_id }) => tables.programs.has(run_id))) throw duplicate("program_pkey");
}

function write(tables: Tables, { events, started, changed, programs }: Batch): void {
  for (const [runId, added] of Map.groupBy(events, ({ run_id }) => run_id)) {
    tables.events.set(
      runId,
      [...tables.history(runId), ...added].toSorted((a, b) => a.seq - b.seq),
    );
  }
  for (const row of started) tables.runs.set(row.run_id, row);
  for (const { run_id, state, task_state, is_cancel_requested, failure, ended_at } of changed) {
    const row = tables.runs.get(run_id);
    const shown = { state, task_state, is_cancel_requested, failure, ended_at };
    if (row !== undefined) tables.runs.set(run_id, { ...row, ...shown });
  }
  for (const { run_id, content, sealed_env } of programs) {
    tables.programs.set(run_id, { content, sealedEnv: sealed_env ?? undefined });
  }
}

function duplicate(constraint: string): DatabaseError {
  const message = "duplicate key value violates unique constraint";
  return new DatabaseError(message, { code: "23505", phase: "statement", constraint });
}
