import type { Database } from "../../lib/postgres/database.ts";
import { sql } from "../../lib/postgres/sql.ts";
import type { EventRow } from "./event-codec.ts";
import type { StoredProgram } from "./program-env.ts";

/** The row that lists show of a run. */
export interface RunRow {
  readonly run_id: string;
  readonly partition: number;
  readonly client_id: string;
  readonly workflow_id: string | null;
  readonly workflow_version: string | null;
  readonly name: string;
  /** `key=value` each, sorted. */
  readonly labels: readonly string[];
  readonly priority: number;
  readonly parent_run_id: string | null;
  readonly schedule_id: string | null;
  readonly rerun_of: string | null;
  readonly state: string;
  /** Where the task of a stand-alone run stands; null for runs of workflows, and where code wrote the row that knew no such column. */
  readonly task_state: string | null;
  readonly is_cancel_requested: boolean;
  readonly failure: Uint8Array | null;
  readonly created_at: Date;
  readonly ended_at: Date | null;
}

/** A run that has not ended. */
export interface LiveRun {
  readonly runId: string;
  /** Whether lists do not know where its single task stands: older code wrote its row. */
  readonly lacksTaskState: boolean;
}

/** The file of a stand-alone task, with its environment sealed. */
export interface ProgramRow {
  readonly run_id: string;
  readonly content: Uint8Array;
  readonly sealed_env: Uint8Array | null;
}

/** What one commit brings. */
export interface Batch {
  /** The replica that commits. */
  readonly incarnation: string;
  /** Every partition that is written to or answered for, with the epoch it was claimed at. */
  readonly claims: readonly { readonly partition: number; readonly epoch: number }[];
  readonly events: readonly EventRow[];
  /** Runs that begin, as they are after the events. */
  readonly started: readonly RunRow[];
  /** Runs that changed in what lists show, as they are after the events. */
  readonly changed: readonly RunRow[];
  readonly programs: readonly ProgramRow[];
}

/**
 * SQL of the history: the only writer of `run_event` and `run`.
 *
 * Lists that are joined stand as `(select $1)`: a planner that sees how long one
 * is this time takes a plan made for it to be so much cheaper than the kept one
 * that it makes a new one for every batch, which costs more than the batch.
 */
export function historyStore(db: Database) {
  return {
    /** Appends a batch (none of it is allowed, and checks all the same), or nothing when a partition has another owner by now. */
    async append(batch: Batch): Promise<"appended" | "fenced"> {
      const { claims, events, started, changed, programs } = batch;
      const [row] = await db.query<{ owned: boolean }>(sql`
        with owned as (
          -- FOR SHARE: a replica that takes the partition over waits for this
          -- commit and so reads every event appended before its own epoch; one
          -- that has taken it already makes the epoch differ, and nothing is
          -- appended. In one order, so that two batches never block each other.
          select p.partition
          from scheduler.partition as p
          join unnest(
            (select ${claims.map((claim) => claim.partition)}::int[]),
            (select ${claims.map((claim) => claim.epoch)}::bigint[])
          ) as mine (partition, epoch) using (partition, epoch)
          where p.owner_incarnation = ${batch.incarnation}::uuid
          order by p.partition
          for share of p
        ), verdict as (
          select count(*) = ${claims.length}::int as owned from owned
        ), appended as (
          insert into scheduler.run_event (run_id, seq, type, node_id, attempt, at, payload)
          select event.*
          from unnest(
            ${events.map((event) => event.run_id)}::uuid[],
            ${events.map((event) => event.seq)}::int[],
            ${events.map((event) => event.type)}::text[],
            ${events.map((event) => event.node_id)}::text[],
            ${events.map((event) => event.attempt)}::int[],
            ${events.map((event) => event.at)}::timestamptz[],
            ${events.map((event) => event.payload)}::bytea[]
          ) as event
          where (select owned from verdict)
        ), started as (
          insert into scheduler.run (
            run_id, partition, client_id, workflow_id, workflow_version, name, labels, priority,
            parent_run_id, schedule_id, rerun_of, state, task_state, is_cancel_requested, failure, created_at,
            ended_at
          )
          select
            run.run_id, run.partition, run.client_id, run.workflow_id, run.workflow_version, run.name,
            -- A list of lists can not be unnested by row, so each comes as JSON.
            array(select json_array_elements_text(run.labels::json)), run.priority,
            run.parent_run_id, run.schedule_id, run.rerun_of,
            run.state, run.task_state, run.is_cancel_requested, run.failure, run.created_at, run.ended_at
          from unnest(
            ${started.map((run) => run.run_id)}::uuid[],
            ${started.map((run) => run.partition)}::int[],
            ${started.map((run) => run.client_id)}::text[],
            ${started.map((run) => run.workflow_id)}::uuid[],
            ${started.map((run) => run.workflow_version)}::text[],
            ${started.map((run) => run.name)}::text[],
            ${started.map((run) => JSON.stringify(run.labels))}::text[],
            ${started.map((run) => run.priority)}::int[],
            ${started.map((run) => run.parent_run_id)}::uuid[],
            ${started.map((run) => run.schedule_id)}::uuid[],
            ${started.map((run) => run.rerun_of)}::uuid[],
            ${started.map((run) => run.state)}::text[],
            ${started.map((run) => run.task_state)}::text[],
            ${started.map((run) => run.is_cancel_requested)}::boolean[],
            ${started.map((run) => run.failure)}::bytea[],
            ${started.map((run) => run.created_at)}::timestamptz[],
            ${started.map((run) => run.ended_at)}::timestamptz[]
          ) as run (
            run_id, partition, client_id, workflow_id, workflow_version, name, labels, priority,
            parent_run_id, schedule_id, rerun_of, state, task_state, is_cancel_requested, failure, created_at,
            ended_at
          )
          where (select owned from verdict)
        ), changed as (
          update scheduler.run as run
          set
            state = new.state,
            task_state = new.task_state,
            is_cancel_requested = new.is_cancel_requested,
            failure = new.failure,
            ended_at = new.ended_at
          from unnest(
            (select ${changed.map((run) => run.run_id)}::uuid[]),
            (select ${changed.map((run) => run.state)}::text[]),
            (select ${changed.map((run) => run.task_state)}::text[]),
            (select ${changed.map((run) => run.is_cancel_requested)}::boolean[]),
            (select ${changed.map((run) => run.failure)}::bytea[]),
            (select ${changed.map((run) => run.ended_at)}::timestamptz[])
          ) as new (run_id, state, task_state, is_cancel_requested, failure, ended_at)
          where run.run_id = new.run_id
            and (select owned from verdict)
        ), kept as (
          insert into scheduler.program (run_id, content, sealed_env)
          select program.*
          from unnest(
            ${programs.map((program) => program.run_id)}::uuid[],
            ${programs.map((program) => program.content)}::bytea[],
            ${programs.map((program) => program.sealed_env)}::bytea[]
          ) as program
          where (select owned from verdict)
        )
        select owned from verdict
      `);
      return row?.owned === true ? "appended" : "fenced";
    },

    /** The histories of runs, each in order; unknown and deleted runs are missing. */
    async eventsOf(runIds: readonly string[]): Promise<EventRow[]> {
      return await db.query<EventRow>(sql`
        select event.run_id, event.seq, event.type, event.node_id, event.attempt, event.at, event.payload
        from unnest((select ${runIds}::uuid[])) as wanted (run_id)
        join scheduler.run as run using (run_id)
        join scheduler.run_event as event using (run_id)
        where run.deleted_at is null
        order by event.run_id, event.seq
      `);
    },

    /** As `eventsOf`, for whoever decides about these runs, which are brought to their end also when they were deleted before; the id of a deleted run is not free. */
    async eventsToDecide(
      runIds: readonly string[],
    ): Promise<{ readonly events: readonly EventRow[]; readonly deleted: readonly string[] }> {
      const rows = await db.query<EventRow & { readonly is_deleted: boolean }>(sql`
        select
          run.deleted_at is not null and run.ended_at is not null as is_deleted,
          run.run_id, event.seq, event.type, event.node_id, event.attempt, event.at, event.payload
        from unnest((select ${runIds}::uuid[])) as wanted (run_id)
        join scheduler.run as run using (run_id)
        left join scheduler.run_event as event
          on event.run_id = run.run_id
          and (run.deleted_at is null or run.ended_at is null)
        order by run.run_id, event.seq
      `);
      return {
        events: rows.filter(({ is_deleted }) => !is_deleted),
        deleted: rows.flatMap(({ is_deleted, run_id }) => (is_deleted ? [run_id] : [])),
      };
    },

    /** Those of the runs whose histories go on after the given seqs. */
    async runsBeyond(known: ReadonlyMap<string, number>): Promise<string[]> {
      const rows = await db.query<{ run_id: string }>(sql`
        select known.run_id
        from unnest(${[...known.keys()]}::uuid[], ${[...known.values()]}::int[]) as known (run_id, seq)
        where exists (
          select from scheduler.run_event as event
          where event.run_id = known.run_id
            and event.seq > known.seq
        )
      `);
      return rows.map((row) => row.run_id);
    },

    /** A page of one run's history, in order; that of a deleted run is empty. */
    async eventPage({
      runId,
      afterSeq,
      limit,
    }: {
      runId: string;
      afterSeq: number;
      limit: number;
    }): Promise<EventRow[]> {
      return await db.query<EventRow>(sql`
        select run_id, seq, type, node_id, attempt, at, payload
        from scheduler.run_event
        where run_id = ${runId}::uuid
          and seq > ${afterSeq}
          and not exists (
            select from scheduler.run where run_id = ${runId}::uuid and deleted_at is not null
          )
        order by seq
        limit ${limit}
      `);
    },

    /** Runs of these partitions that have not ended, oldest first. */
    async liveRuns(partitions: readonly number[]): Promise<LiveRun[]> {
      const rows = await db.query<{ run_id: string; lacks_task_state: boolean }>(sql`
        select run_id, workflow_id is null and task_state is null as lacks_task_state
        from scheduler.run
        where partition = any (${partitions}::int[])
          and ended_at is null
        order by created_at
      `);
      return rows.map((row) => ({ runId: row.run_id, lacksTaskState: row.lacks_task_state }));
    },

    /** The file of a stand-alone task, with its environment sealed for the run. */
    async program(runId: string): Promise<StoredProgram | undefined> {
      const [row] = await db.query<Omit<ProgramRow, "run_id">>(sql`
        select content, sealed_env from scheduler.program where run_id = ${runId}::uuid
      `);
      return row && { content: row.content, sealedEnv: row.sealed_env ?? undefined };
    },
  };
}

export type HistoryStore = ReturnType<typeof historyStore>;
