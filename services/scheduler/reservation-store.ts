import type { Database } from "../../lib/postgres/database.ts";
import type { Queryable } from "../../lib/postgres/session.ts";
import { sql } from "../../lib/postgres/sql.ts";
import type { Claim } from "./partition-store.ts";

/** A submission that is limited. */
export interface Reservation {
  readonly runId: string;
  readonly clientId: string;
  /** How many stand-alone tasks of the client may be active, this one included; 0 is any number. */
  readonly maxActive: number;
  /** What no other active task of the client may have; empty is nothing. */
  readonly dedupeKey: string;
  /** Drawn for this reserving. */
  readonly token: string;
}

/** Whether there is a place. `fenced`: the partition has another owner by now. */
export type Reserved =
  | { readonly kind: "reserved" }
  | { readonly kind: "fenced" }
  | { readonly kind: "active"; readonly taskId: string; readonly state: string }
  | { readonly kind: "full" };

/** A reservation that may be over. */
export interface IdleReservation {
  readonly runId: string;
  readonly token: string;
}

/** SQL of places for submissions: see reservations.ts. */
export function reservationStore(db: Pick<Database, "query" | "transaction">) {
  return {
    /** Takes a place under a claim of the run's partition, or says why there is none. One that the run has counts for no other. */
    async reserve(
      reservation: Reservation,
      { incarnation, claim }: { readonly incarnation: string; readonly claim: Claim },
    ): Promise<Reserved> {
      return await db.transaction(async (transaction) => {
        // First, so that the statement after it sees whatever others took.
        await transaction.query(sql`
          select pg_advisory_xact_lock(hashtextextended('scheduler.task_reservation ' || ${reservation.clientId}, 0))
        `);
        return await take(transaction, reservation, { incarnation, claim });
      });
    },

    /** Places taken under these claims or earlier ones, whose runs have ended or never began. */
    async idle(claims: readonly Claim[], limit: number): Promise<IdleReservation[]> {
      const rows = await db.query<{ run_id: string; token: string }>(sql`
        select reservation.run_id, reservation.token
        from unnest(
          ${claims.map((claim) => claim.partition)}::int[],
          ${claims.map((claim) => claim.epoch)}::bigint[]
        ) as mine (partition, epoch)
        join scheduler.task_reservation as reservation using (partition)
        where reservation.epoch <= mine.epoch
          and ${isIdle}
        limit ${limit}
      `);
      return rows.map((row) => ({ runId: row.run_id, token: row.token }));
    },

    /** Gives places back, each if nobody reserved it anew and no run that goes on has it. */
    async release(reservations: readonly IdleReservation[]): Promise<void> {
      await db.query(sql`
        delete from scheduler.task_reservation as reservation
        using unnest(
          ${reservations.map(({ runId }) => runId)}::uuid[],
          ${reservations.map(({ token }) => token)}::uuid[]
        ) as over (run_id, token)
        where reservation.run_id = over.run_id
          and reservation.token = over.token
          and ${isIdle}
      `);
    },
  };
}

export type ReservationStore = ReturnType<typeof reservationStore>;

const isIdle = sql`not exists (
  select
  from scheduler.run
  where run.run_id = reservation.run_id
    and run.ended_at is null
)`;

async function take(
  transaction: Queryable,
  { runId, clientId, maxActive, dedupeKey, token }: Reservation,
  { incarnation, claim }: { readonly incarnation: string; readonly claim: Claim },
): Promise<Reserved> {
  const [row] = await transaction.query<{
    is_owned: boolean;
    is_full: boolean;
    active_id: string | null;
    active_state: string | null;
  }>(sql`
    with owned as (
      select partition
      from scheduler.partition
      where partition = ${claim.partition}
        and epoch = ${claim.epoch}
        and owner_incarnation = ${incarnation}::uuid
      for share
    ), live as (
      -- More than are counted make no difference.
      select run_id
      from scheduler.run
      where client_id = ${clientId}
        and workflow_id is null
        and deleted_at is null
        and ended_at is null
        and run_id <> ${runId}::uuid
      limit ${maxActive}
    ), beginning as (
      select reservation.run_id, reservation.dedupe_key
      from scheduler.task_reservation as reservation
      join scheduler.partition using (partition, epoch)
      where reservation.client_id = ${clientId}
        and reservation.run_id <> ${runId}::uuid
        and not exists (select from scheduler.run where run.run_id = reservation.run_id)
    ), same as (
      select run_id, 'queued' as state
      from beginning
      where dedupe_key = ${dedupeKey}
      union all
      select run.run_id, coalesce(run.task_state, 'queued')
      from scheduler.task_reservation as reservation
      join scheduler.run as run using (run_id)
      where reservation.client_id = ${clientId}
        and reservation.dedupe_key = ${dedupeKey}
        and reservation.run_id <> ${runId}::uuid
        and run.ended_at is null
        and run.deleted_at is null
      limit 1
    ), verdict as (
      select
        exists (select from owned) as is_owned,
        ${maxActive}::int > 0
          and (select count(*) from live) + (select count(*) from beginning) >= ${maxActive} as is_full
    ), taken as (
      insert into scheduler.task_reservation (run_id, client_id, dedupe_key, partition, epoch, token)
      select
        ${runId}::uuid, ${clientId}::text, nullif(${dedupeKey}::text, ''), ${claim.partition}::int,
        ${claim.epoch}::bigint, ${token}::uuid
      from verdict
      where is_owned
        and not is_full
        and not exists (select from same)
      on conflict (run_id) do update
      set
        client_id = excluded.client_id,
        dedupe_key = excluded.dedupe_key,
        epoch = excluded.epoch,
        token = excluded.token
    )
    select
      is_owned,
      is_full,
      (select run_id from same) as active_id,
      (select state from same) as active_state
    from verdict
  `);
  if (row === undefined) throw new Error("a row of values was not answered");
  if (!row.is_owned) return { kind: "fenced" };
  if (row.active_id !== null) {
    return { kind: "active", taskId: row.active_id, state: row.active_state ?? "queued" };
  }
  return row.is_full ? { kind: "full" } : { kind: "reserved" };
}
