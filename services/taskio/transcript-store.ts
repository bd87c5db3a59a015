import type { Database } from "../../lib/postgres/database.ts";
import { sql } from "../../lib/postgres/sql.ts";
import { beginning, type Cursor } from "./cursor.ts";
import { originalBody, storedBody } from "./stored-body.ts";

/** An entry in its binary form, and its place. */
export interface StoredEntry extends Cursor {
  readonly body: Uint8Array;
}

/** Entries of one task that follow each other, at least one. */
export interface Chunk {
  readonly taskId: string;
  /** The place that the first of them follows. */
  readonly after: Cursor;
  readonly entries: readonly StoredEntry[];
}

/** The archive of all transcripts: tables `taskio.transcript` and `taskio.transcript_entry`. */
export type TranscriptStore = ReturnType<typeof transcriptStore>;

/** The archive in a database. */
export function transcriptStore(db: Pick<Database, "query">) {
  return {
    /**
     * Stores those chunks, of different tasks, that follow what is stored of
     * their task, and answers the tasks of these. A chunk that does not follow
     * was stored by another process, or is not its turn; nothing of it is.
     */
    async append(chunks: readonly Chunk[]): Promise<Set<string>> {
      const entries = chunks.flatMap(({ taskId, entries }) => entries.map((entry) => ({ taskId, ...entry })));
      const bodies = entries.map(({ body }) => storedBody(body));
      const lengths = bodies.map(({ length }) => length);
      const lasts = chunks.map(({ entries }) => entries.at(-1) ?? beginning);
      const rows = await db.query<{ task_id: string }>(sql`
        with chunk as (
          select task_id, after_attempt, after_seq, attempt, seq
          from unnest(
            ${chunks.map(({ taskId }) => taskId)}::text[],
            ${chunks.map(({ after }) => after.attempt)}::int[],
            ${chunks.map(({ after }) => after.seq)}::int[],
            ${lasts.map(({ attempt }) => attempt)}::int[],
            ${lasts.map(({ seq }) => seq)}::int[]
          ) as chunk (task_id, after_attempt, after_seq, attempt, seq)
        ), begun as (
          -- Ordered like the locks below, so that processes which archive the
          -- same tasks wait for each other in one direction only.
          insert into taskio.transcript (task_id, attempt, seq)
          select task_id, attempt, seq
          from chunk
          where after_attempt = 0
          order by task_id collate "C"
          on conflict (task_id) do nothing
          returning task_id
        ), locked as (
          select head.task_id, head.attempt, head.seq
          from taskio.transcript as head
          join chunk on chunk.task_id = head.task_id and chunk.after_attempt > 0
          order by head.task_id
          for update of head
        ), continued as (
          update taskio.transcript as head
          set attempt = chunk.attempt, seq = chunk.seq
          from locked
          join chunk on chunk.task_id = locked.task_id
            and chunk.after_attempt = locked.attempt
            and chunk.after_seq = locked.seq
          where head.task_id = locked.task_id
          returning head.task_id
        ), moved as (
          select task_id from begun
          union all
          select task_id from continued
        ), stored as (
          -- The bodies come as one value that is cut up here: reading them as
          -- an array of values would cost several times as much.
          insert into taskio.transcript_entry (task_id, attempt, seq, size, body)
          select entry.task_id, entry.attempt, entry.seq, entry.size,
            substring(bodies.bytes from entry.start for entry.length)
          from (select ${Buffer.concat(bodies)}::bytea as bytes) as bodies
          cross join unnest(
            ${entries.map(({ taskId }) => taskId)}::text[],
            ${entries.map(({ attempt }) => attempt)}::int[],
            ${entries.map(({ seq }) => seq)}::int[],
            ${entries.map(({ body }) => body.length)}::int[],
            ${startsOf(lengths)}::int[],
            ${lengths}::int[]
          ) as entry (task_id, attempt, seq, size, start, length)
          where entry.task_id in (select task_id from moved)
        )
        select task_id from moved
      `);
      return new Set(rows.map(({ task_id }) => task_id));
    },

    /** The place of the last stored entry of each task; those of which nothing is stored are missing. */
    async heads(taskIds: readonly string[]): Promise<Map<string, Cursor>> {
      const rows = await db.query<{ task_id: string; attempt: number; seq: number }>(sql`
        select task_id, attempt, seq
        from taskio.transcript
        where task_id = any(${taskIds}::text[])
      `);
      return new Map(rows.map(({ task_id, attempt, seq }) => [task_id, { attempt, seq }]));
    },

    /** Stored entries of a task after a place, in order: at most `maxCount`, and as many as fit into `maxBytes`, but one at least. */
    async read({
      taskId,
      after,
      maxCount,
      maxBytes,
    }: {
      readonly taskId: string;
      readonly after: Cursor;
      readonly maxCount: number;
      readonly maxBytes: number;
    }): Promise<StoredEntry[]> {
      const rows = await db.query<{ attempt: number; seq: number; size: number; body: Buffer }>(sql`
        select attempt, seq, size, body
        from (
          select attempt, seq, size, body,
            sum(size) over (order by attempt, seq) as bytes,
            row_number() over (order by attempt, seq) as place
          from (
            select attempt, seq, size, body
            from taskio.transcript_entry
            where task_id = ${taskId} and (attempt, seq) > (${after.attempt}, ${after.seq})
            order by attempt, seq
            limit ${maxCount}
          ) as page
        ) as measured
        where bytes <= ${maxBytes} or place = 1
        order by attempt, seq
      `);
      return rows.map(({ attempt, seq, size, body }) => ({ attempt, seq, body: originalBody(body, size) }));
    },

    /** Tasks of these runs of which something is stored, at most `limit`. */
    async tasksOf(runIds: readonly string[], limit: number): Promise<string[]> {
      const rows = await db.query<{ task_id: string }>(sql`
        select head.task_id
        from unnest(${runIds}::text[]) as run (run_id)
        -- What begins with the run's id; no task's id holds a character below "/" but "." and "-".
        join taskio.transcript as head on head.task_id >= run.run_id and head.task_id < run.run_id || '/'
        limit ${limit}
      `);
      return rows.map(({ task_id }) => task_id);
    },

    /** Takes from these tasks that anything is stored of them, so that nothing can follow it. */
    async removeHeads(taskIds: readonly string[]): Promise<void> {
      await db.query(sql`
        delete from taskio.transcript
        where task_id = any(${taskIds}::text[])
      `);
    },

    /** Removes entries of these runs, at most `limit`, and answers how many. */
    async removeEntries(runIds: readonly string[], limit: number): Promise<number> {
      const [row] = await db.query<{ removed: number }>(sql`
        with removed as (
          delete from taskio.transcript_entry
          where ctid = any (array(
            select entry.ctid
            from unnest(${runIds}::text[]) as run (run_id)
            join taskio.transcript_entry as entry
              on entry.task_id >= run.run_id and entry.task_id < run.run_id || '/'
            limit ${limit}
          ))
          returning 1
        )
        select count(*)::int as removed from removed
      `);
      return row?.removed ?? 0;
    },
  };
}

/** Where each of the values begins that stand one after the other, counted from 1. */
function startsOf(lengths: readonly number[]): number[] {
  let start = 1;
  return lengths.map((length) => {
    const own = start;
    start += length;
    return own;
  });
}
