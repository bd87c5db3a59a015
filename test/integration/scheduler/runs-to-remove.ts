/*
 * Runs in a database as owners leave them behind, many at a time.
 */
import { randomUUID } from "node:crypto";
import { partitionCount, partitionOf } from "../../../lib/ids/partition.ts";
import type { Database } from "../../../lib/postgres/database.ts";
import { sql } from "../../../lib/postgres/sql.ts";
import type { Claim } from "../../../services/scheduler/partition-store.ts";

/** As if one replica owned everything. */
export const allClaims: ReadonlyMap<number, Claim> = new Map(
  Array.from({ length: partitionCount }, (_, partition) => [partition, { partition, epoch: 1 }]),
);

/** Puts runs into a database that ended some hours ago, each with facts, an output, a file and a transcript; answers their ids. */
export async function putEndedRuns(
  db: Pick<Database, "query">,
  { count, hoursAgo }: { readonly count: number; readonly hoursAgo: number },
): Promise<string[]> {
  const runIds = Array.from({ length: count }, () => randomUUID());
  await db.query(sql`
    with run as (
      insert into scheduler.run (
        run_id, partition, client_id, name, state, is_cancel_requested, created_at, ended_at
      )
      select run_id, partition, 'alice', 'old', 'completed', false, ended_at - interval '1 minute', ended_at
      from unnest(${runIds}::uuid[], ${runIds.map(partitionOf)}::int[]) as run (run_id, partition),
        (select now() - ${hoursAgo}::int * interval '1 hour' as ended_at) as time
      returning run_id
    ), event as (
      insert into scheduler.run_event (run_id, seq, type, at, payload)
      select run_id, seq, 'task_ended', now(), '{}'
      from run, generate_series(1, 5) as seq
    ), payload as (
      insert into scheduler.payload (run_id, digest, content)
      select run_id, '\\x01', '\\x02'
      from run
    ), program as (
      insert into scheduler.program (run_id, content)
      select run_id, 'print()'
      from run
    ), transcript as (
      insert into taskio.transcript (task_id, attempt, seq)
      select run_id || '.A', 1, 2
      from run
    )
    insert into taskio.transcript_entry (task_id, attempt, seq, size, body)
    select run_id || '.A', 1, seq, 1, 'x'
    from run, generate_series(1, 2) as seq
  `);
  return runIds;
}

/** How many rows there are of runs, apart from those that make their requests known. */
export async function rowsOf(db: Pick<Database, "query">, runIds: readonly string[]): Promise<number> {
  const [row] = await db.query<{ count: number }>(sql`
    select (
      (select count(*) from scheduler.run_event where run_id = any (${runIds}::uuid[]))
      + (select count(*) from scheduler.payload where run_id = any (${runIds}::uuid[]))
      + (select count(*) from scheduler.program where run_id = any (${runIds}::uuid[]))
      + (select count(*) from scheduler.run where run_id = any (${runIds}::uuid[]) and removed_at is null)
      + (select count(*) from taskio.transcript where split_part(task_id, '.', 1) = any (${runIds}::text[]))
      + (select count(*) from taskio.transcript_entry where split_part(task_id, '.', 1) = any (${runIds}::text[]))
    )::int as count
  `);
  return row?.count ?? -1;
}
