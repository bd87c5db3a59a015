import type { Database } from "../../lib/postgres/database.ts";
import { parameterText } from "../../lib/postgres/parameter.ts";
import { sql } from "../../lib/postgres/sql.ts";
import type { Failure } from "./core/event.ts";
import { jsonBytes } from "./core/json.ts";
import type { Claim } from "./partition-store.ts";
import type { EnvSeal, TaskProgram } from "./program-env.ts";
import type { Schedule } from "./schedule.ts";
import type { FiringDecision } from "./schedule-decision.ts";
import { type ScheduleRow, scheduleColumns, scheduleOfRow } from "./schedule-row.ts";

/** How many runs under way are named per schedule; the others are cancelled at a later firing. */
const maxLiveRuns = 1_000;

/** How far ahead of the next reading due times are told. */
const aheadMs = 1_000;

/** A schedule to look at, and what there is to decide on. */
export interface DueSchedule {
  readonly schedule: Schedule;
  /** Its runs that have not ended. */
  readonly liveRunIds: readonly string[];
}

/** What was decided on a schedule as it was read. */
export interface DecidedSchedule {
  readonly schedule: Pick<Schedule, "scheduleId" | "revision" | "lastFailure">;
  readonly decision: FiringDecision;
  /** Why nothing could be decided. */
  readonly failure?: Failure;
}

/** What was carried out of a decision. */
export interface CarriedOut {
  readonly scheduleId: string;
  readonly cancelled: readonly string[];
  /** Nominal times that are dealt with: their runs are stored, or can not be. */
  readonly dealtWith: readonly Date[];
  /** The run of the last of them, or why there is none; undefined when none was dealt with. */
  readonly last: { readonly runId: string } | { readonly failure: Failure } | undefined;
}

/** SQL of firings: what a conductor reads and writes of the schedules of its partitions. */
export function scheduleFiringStore(db: Database, envs: Pick<EnvSeal, "open">) {
  return {
    /**
     * The schedules of partitions that are due, hold something that was decided
     * and is not carried out, or have a firing that waits for nothing any more;
     * those that are due longest first, `limit` of both kinds at most. `nextInMs`
     * says when another is due, within a second at most.
     */
    async due({ partitions, limit }: { partitions: readonly number[]; limit: number }): Promise<{
      readonly now: Date;
      readonly due: readonly DueSchedule[];
      readonly nextInMs: number;
    }> {
      const rows = await db.query<
        (ScheduleRow | { schedule_id: null }) & { live_runs: string[]; now: Date; next_in_ms: number | null }
      >(sql`
        with due as (
          select schedule_id
          from scheduler.schedule
          where partition = any (${partitions}::int[])
            and due_at <= statement_timestamp()
            and due_at < 'infinity'
          order by due_at
          limit ${limit}
        ), freed as (
          select schedule_id
          from scheduler.schedule
          where partition = any (${partitions}::int[])
            and waiting_firings <> '{}'
            and not paused
            and due_at > statement_timestamp()
            and not exists (
              select
              from scheduler.run
              where run.schedule_id = schedule.schedule_id
                and run.ended_at is null
            )
          limit ${limit}
        ), clock as (
          select
            statement_timestamp() as now,
            (
              select (extract(epoch from min(due_at) - statement_timestamp()) * 1000)::float8
              from scheduler.schedule
              where partition = any (${partitions}::int[])
                and due_at > statement_timestamp()
                and due_at <= statement_timestamp() + ${aheadMs}::int * interval '1 ms'
            ) as next_in_ms
        )
        select clock.now, clock.next_in_ms, coalesce(live.run_ids, '{}') as live_runs, ${scheduleColumns}
        from clock
        left join (select schedule_id from due union select schedule_id from freed) as found on true
        left join scheduler.schedule using (schedule_id)
        left join lateral (
          select array_agg(run_id) as run_ids
          from (
            select run_id
            from scheduler.run
            where run.schedule_id = found.schedule_id
              and run.ended_at is null
            limit ${maxLiveRuns}
          ) as of_schedule
        ) as live on true
        order by schedule.due_at
      `);
      const [first] = rows;
      if (first === undefined) throw new Error("a reading of the clock returned no row");
      return {
        now: first.now,
        nextInMs: Math.min(first.next_in_ms ?? aheadMs, aheadMs),
        due: rows.flatMap((row) =>
          row.schedule_id === null ? [] : [{ schedule: scheduleOfRow(row), liveRunIds: row.live_runs }],
        ),
      };
    },

    /** Writes decisions, each if its schedule is still as it was read and its partition still owned; answers the schedules that were written. */
    async decide({
      incarnation,
      claims,
      decided,
    }: Owned & { readonly decided: readonly DecidedSchedule[] }): Promise<ReadonlySet<string>> {
      const rows = await db.query<{ schedule_id: string }>(sql`
        with ${owned({ incarnation, claims })}
        update scheduler.schedule
        set
          next_at = new.next_at,
          last_firing_at = new.last_firing_at,
          last_failure = new.last_failure,
          starting_firings = new.starting::timestamptz[],
          waiting_firings = new.waiting::timestamptz[],
          cancelling_runs = new.cancelling::uuid[],
          revision = schedule.revision + 1
        from unnest(
          ${decided.map(({ schedule }) => schedule.scheduleId)}::uuid[],
          ${decided.map(({ schedule }) => schedule.revision)}::bigint[],
          ${decided.map(({ decision }) => decision.nextAt)}::timestamptz[],
          ${decided.map(({ decision }) => decision.lastFiringAt)}::timestamptz[],
          ${decided.map(({ failure, schedule }) => failureBytes(failure ?? schedule.lastFailure))}::bytea[],
          ${decided.map(({ decision }) => parameterText(decision.starting))}::text[],
          ${decided.map(({ decision }) => parameterText(decision.waiting))}::text[],
          ${decided.map(({ decision }) => parameterText(decision.cancelling))}::text[]
        ) as new (
          schedule_id, revision, next_at, last_firing_at, last_failure, starting, waiting, cancelling
        )
        where schedule.schedule_id = new.schedule_id
          and schedule.revision = new.revision
          and schedule.partition in (select partition from owned)
        returning schedule.schedule_id
      `);
      return new Set(rows.map((row) => row.schedule_id));
    },

    /** Notes what was carried out, whatever else has changed meanwhile; nothing of partitions that are not owned any more. */
    async carriedOut({
      incarnation,
      claims,
      results,
    }: Owned & { readonly results: readonly CarriedOut[] }): Promise<void> {
      await db.query(sql`
        with ${owned({ incarnation, claims })}
        update scheduler.schedule
        set
          starting_firings = array(
            select at
            from unnest(schedule.starting_firings) as at
            where at <> all (new.dealt_with::timestamptz[])
            order by at
          ),
          cancelling_runs = array(
            select run_id
            from unnest(schedule.cancelling_runs) as run_id
            where run_id <> all (new.cancelled::uuid[])
          ),
          last_run_id = coalesce(new.last_run_id, schedule.last_run_id),
          last_failure = case
            when new.dealt_with = '{}' then schedule.last_failure
            else new.last_failure
          end,
          revision = schedule.revision + 1
        from unnest(
          ${results.map(({ scheduleId }) => scheduleId)}::uuid[],
          ${results.map(({ dealtWith }) => parameterText(dealtWith))}::text[],
          ${results.map(({ cancelled }) => parameterText(cancelled))}::text[],
          ${results.map(({ last }) => (last && "runId" in last ? last.runId : null))}::uuid[],
          ${results.map(({ last }) => (last && "failure" in last ? failureBytes(last.failure) : null))}::bytea[]
        ) as new (schedule_id, dealt_with, cancelled, last_run_id, last_failure)
        where schedule.schedule_id = new.schedule_id
          and schedule.partition in (select partition from owned)
      `);
    },

    /** The file of a schedule's task, with its environment opened; undefined when there is none. */
    async program(scheduleId: string): Promise<TaskProgram | undefined> {
      const [row] = await db.query<{ program: Uint8Array | null; sealed_env: Uint8Array | null }>(sql`
        select program, sealed_env from scheduler.schedule where schedule_id = ${scheduleId}::uuid
      `);
      const content = row?.program ?? undefined;
      return content && { content, env: envs.open(row?.sealed_env ?? undefined, scheduleId) };
    },
  };
}

export type ScheduleFiringStore = ReturnType<typeof scheduleFiringStore>;

/** Who writes, and by which claims. */
interface Owned {
  readonly incarnation: string;
  readonly claims: readonly Claim[];
}

/** The partitions of claims that still hold, locked as a commit of events locks them. */
function owned({ incarnation, claims }: Owned) {
  return sql`owned as (
    select p.partition
    from scheduler.partition as p
    join unnest(
      ${claims.map((claim) => claim.partition)}::int[],
      ${claims.map((claim) => claim.epoch)}::bigint[]
    ) as mine (partition, epoch) using (partition, epoch)
    where p.owner_incarnation = ${incarnation}::uuid
    order by p.partition
    for share of p
  )`;
}

function failureBytes(failure: Failure | undefined): Uint8Array | undefined {
  return failure === undefined ? undefined : jsonBytes({ ...failure });
}
