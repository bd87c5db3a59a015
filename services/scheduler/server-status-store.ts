import type { Database } from "../../lib/postgres/database.ts";
import { sql } from "../../lib/postgres/sql.ts";

/** How busy the installation is. */
export interface ServerStatus {
  /** Stand-alone tasks that have not ended. */
  readonly activeTasks: number;
  /** Those of them that wait for a worker, or to be resumed. */
  readonly pendingTasks: number;
  /** How many programs living workers carry out at once. */
  readonly programSlots: number;
}

/** SQL of how busy the installation is. */
export function serverStatusStore(db: Pick<Database, "query">) {
  return {
    /** A worker lives when it was seen within `leaseMs`. */
    async read(leaseMs: number): Promise<ServerStatus> {
      const [row] = await db.query<{ active: number; pending: number; slots: number }>(sql`
        select
          count(*)::int as active,
          (count(*) filter (where coalesce(task_state, 'queued') in ('pending', 'queued')))::int as pending,
          (
            select coalesce(sum(program_slots), 0)::int
            from scheduler.worker
            where last_seen_at > now() - ${leaseMs}::int * interval '1 ms'
          ) as slots
        from scheduler.run
        where workflow_id is null
          and deleted_at is null
          and ended_at is null
      `);
      if (row === undefined) throw new Error("a count was not answered");
      return { activeTasks: row.active, pendingTasks: row.pending, programSlots: row.slots };
    },
  };
}

export type ServerStatusStore = ReturnType<typeof serverStatusStore>;
