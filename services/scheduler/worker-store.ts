import type { Database } from "../../lib/postgres/database.ts";
import { sql } from "../../lib/postgres/sql.ts";
import type { Labels } from "./core/event.ts";
import type { WorkerOffer } from "./waiting.ts";

/** What a heartbeat says about the worker itself. */
export interface WorkerSign {
  readonly workerId: string;
  readonly clientId: string;
  readonly incarnation: string;
  /** Whether this process has not had an answer yet, so that it may replace another. */
  readonly isRegistering: boolean;
  readonly handlers: readonly string[];
  readonly queues: readonly string[];
  readonly labels: Labels;
  readonly slots: number;
  readonly programSlots: number;
  readonly held: number;
  readonly sandbox: string;
}

/** A worker as the registry has it. */
export interface WorkerRow {
  readonly worker_id: string;
  readonly client_id: string;
  readonly incarnation: string;
  readonly handlers: readonly string[];
  readonly queues: readonly string[];
  /** `name=value` each. */
  readonly labels: readonly string[];
  readonly slots: number;
  readonly held: number;
  readonly sandbox: string;
  readonly registered_at: Date;
  readonly last_seen_at: Date;
  readonly is_alive: boolean;
}

/** Labels as a record. */
export function labelsOf(pairs: readonly string[]): Labels {
  return Object.fromEntries(pairs.map((pair) => pair.split("=", 2) as [string, string]));
}

/** SQL of the registry of workers. */
export function workerStore(db: Database) {
  return {
    /**
     * Notes a sign of life. Answers `superseded` when another process registered
     * under the id since, `foreign` when the id belongs to another client.
     */
    async note(sign: WorkerSign): Promise<"noted" | "superseded" | "foreign"> {
      const [row] = await db.query<{ client_id: string; incarnation: string }>(sql`
        with noted as (
          insert into scheduler.worker as w (
            worker_id, client_id, incarnation, handlers, queues, labels, slots, program_slots, held,
            sandbox, registered_at, last_seen_at
          )
          values (
            ${sign.workerId}, ${sign.clientId}, ${sign.incarnation}, ${sign.handlers}::text[],
            ${sign.queues}::text[],
            ${Object.entries(sign.labels).map(([name, value]) => `${name}=${value}`)}::text[],
            ${sign.slots}, ${sign.programSlots}, ${sign.held}, ${sign.sandbox}, now(), now()
          )
          on conflict (worker_id) do update
          set
            incarnation = excluded.incarnation,
            handlers = excluded.handlers,
            queues = excluded.queues,
            labels = excluded.labels,
            slots = excluded.slots,
            program_slots = excluded.program_slots,
            held = excluded.held,
            sandbox = excluded.sandbox,
            registered_at =
              case when w.incarnation = excluded.incarnation then w.registered_at else excluded.registered_at end,
            last_seen_at = excluded.last_seen_at
          where w.client_id = excluded.client_id
            and (w.incarnation = excluded.incarnation or ${sign.isRegistering}::boolean)
          returning w.client_id, w.incarnation
        )
        select client_id, incarnation from noted
        union all
        select client_id, incarnation
        from scheduler.worker
        where worker_id = ${sign.workerId}
          and not exists (select from noted)
      `);
      if (row !== undefined && row.client_id !== sign.clientId) return "foreign";
      return row?.incarnation === sign.incarnation ? "noted" : "superseded";
    },

    /** A page of workers by id. A worker is alive when it was seen within `leaseMs`. */
    async page({
      afterId,
      limit,
      leaseMs,
    }: {
      afterId: string;
      limit: number;
      leaseMs: number;
    }): Promise<WorkerRow[]> {
      return await db.query<WorkerRow>(sql`
        select
          worker_id, client_id, incarnation, handlers, queues, labels, slots, held, sandbox,
          registered_at, last_seen_at,
          last_seen_at > now() - ${leaseMs}::int * interval '1 ms' as is_alive
        from scheduler.worker
        where worker_id > ${afterId}
        order by worker_id
        limit ${limit}
      `);
    },

    /** Every handler that any worker ever offered. */
    async knownHandlers(): Promise<Set<string>> {
      const rows = await db.query<{ handler: string }>(sql`
        select distinct handler from scheduler.worker, unnest(handlers) as handler
      `);
      return new Set(rows.map((row) => row.handler));
    },

    /** What the workers take that were seen within `leaseMs`. */
    async offers(leaseMs: number): Promise<WorkerOffer[]> {
      const rows = await db.query<Pick<WorkerRow, "handlers" | "queues" | "labels" | "slots" | "held">>(sql`
        select handlers, queues, labels, slots, held
        from scheduler.worker
        where last_seen_at > now() - ${leaseMs}::int * interval '1 ms'
      `);
      return rows.map((row) => ({ ...row, labels: labelsOf(row.labels) }));
    },

    /** The slots of each worker that was seen within `leaseMs`. */
    async aliveSlots(leaseMs: number): Promise<Map<string, number>> {
      const rows = await db.query<{ worker_id: string; slots: number }>(sql`
        select worker_id, slots
        from scheduler.worker
        where last_seen_at > now() - ${leaseMs}::int * interval '1 ms'
      `);
      return new Map(rows.map((row) => [row.worker_id, row.slots]));
    },
  };
}

export type WorkerStore = ReturnType<typeof workerStore>;
