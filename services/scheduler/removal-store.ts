import type { Database } from "../../lib/postgres/database.ts";
import { sql } from "../../lib/postgres/sql.ts";
import type { NotedRequest } from "./workflow-store.ts";

/** What became of the deletion of a run. */
export type RunDeletion = "deleted" | "not_found" | "not_ended" | "reused";

/** Which runs are looked through, and how many at most. */
export interface RemovalPage {
  readonly partitions: readonly number[];
  readonly limit: number;
}

/** An emptied run of which the row may go. */
export interface ForgettableRun {
  readonly runId: string;
  readonly isYoung: boolean;
  readonly hasChildren: boolean;
}

/** SQL of the end of runs: marked, emptied, forgotten. Every statement may be repeated, and by several processes at once. */
export function removalStore(db: Pick<Database, "query">) {
  return {
    /**
     * Hides a run that has ended (with `force` also one that has not), and every run
     * that it or those started, and notes the request; a repeat of the request is answered as it was. Of any
     * client when `clientId` is undefined.
     */
    async hide(
      {
        runId,
        clientId,
        force,
      }: { readonly runId: string; readonly clientId: string | undefined; readonly force: boolean },
      request: NotedRequest,
    ): Promise<RunDeletion> {
      const ofClient = clientId === undefined ? sql`true` : sql`client_id = ${clientId}`;
      const [row] = await db.query<{
        digest: string | null;
        was_there: boolean;
        is_live: boolean;
        is_hidden: boolean;
      }>(sql`
        with recursive known as (
          select digest
          from scheduler.request
          where client_id = ${request.clientId}
            and request_id = ${request.requestId}
        ), root as (
          select run_id, parent_run_id, ended_at
          from scheduler.run
          where run_id = ${runId}::uuid
            and deleted_at is null
            and ${ofClient}
        ), tree as (
          select run_id, ended_at
          from root
          union all
          select child.run_id, child.ended_at
          from tree
          join scheduler.run as child on child.parent_run_id = tree.run_id
          where child.deleted_at is null
        ), verdict as (
          select
            exists (select from root) as was_there,
            (not ${force}::boolean and exists (select from tree where ended_at is null))
              or exists (
                select
                from root
                join scheduler.run as parent on parent.run_id = root.parent_run_id
                where parent.ended_at is null
              ) as is_live
        ), hidden as (
          update scheduler.run as run
          set deleted_at = now()
          from tree
          where run.run_id = tree.run_id
            and run.deleted_at is null
            and not (select is_live from verdict)
            and not exists (select from known)
          returning run.run_id
        ), noted as (
          insert into scheduler.request (client_id, request_id, digest)
          select ${request.clientId}::text, ${request.requestId}::text, ${request.digest}::text
          where exists (select from hidden)
          on conflict (client_id, request_id) do nothing
        )
        select
          (select digest from known) as digest,
          was_there,
          is_live,
          exists (select from hidden) as is_hidden
        from verdict
      `);
      if (row === undefined) throw new Error("a row of values was not answered");
      if (row.digest !== null) return row.digest === request.digest ? "deleted" : "reused";
      if (row.is_hidden) return "deleted";
      if (!row.was_there) return "not_found";
      if (row.is_live) return "not_ended";
      // Another request hid it meanwhile, perhaps this one's repeat: what it noted can be read by now.
      return await this.hide({ runId, clientId, force }, request);
    },

    /** Hides runs that no other started and that ended `retentionMs` ago, with all that they started, oldest first; answers how many of the former. Not before all of those have ended. */
    async expire({ partitions, limit }: RemovalPage, retentionMs: number): Promise<number> {
      const [row] = await db.query<{ count: number }>(sql`
        with recursive root as (
          select run_id
          from scheduler.run
          where partition = any (${partitions}::int[])
            and ended_at < now() - ${retentionMs}::bigint * interval '1 ms'
            and deleted_at is null
            and parent_run_id is null
          order by ended_at
          limit ${limit}
        ), tree as (
          select run_id as root_id, run_id, true as has_ended
          from root
          union all
          select tree.root_id, child.run_id, child.ended_at is not null
          from tree
          join scheduler.run as child on child.parent_run_id = tree.run_id
          where child.deleted_at is null
        ), live as (
          select distinct root_id
          from tree
          where not has_ended
        ), hidden as (
          update scheduler.run as run
          set deleted_at = now()
          from tree
          where run.run_id = tree.run_id
            and run.deleted_at is null
            and not exists (select from live where live.root_id = tree.root_id)
        )
        select (select count(*) from root)::int - (select count(*) from live)::int as count
      `);
      return row?.count ?? 0;
    },

    /** Hides runs that these hidden ones started too late to be hidden with them, once they have ended. */
    async hideChildren(runIds: readonly string[]): Promise<void> {
      await db.query(sql`
        update scheduler.run
        set deleted_at = now()
        where parent_run_id = any (${runIds}::uuid[])
          and ended_at is not null
          and deleted_at is null
      `);
    },

    /** Hidden runs that go on and were not cancelled. */
    async toCancel({ partitions, limit }: RemovalPage): Promise<string[]> {
      const rows = await db.query<{ run_id: string }>(sql`
        select run_id
        from scheduler.run
        where deleted_at is not null
          and removed_at is null
          and ended_at is null
          and not is_cancel_requested
          and partition = any (${partitions}::int[])
        limit ${limit}
      `);
      return rows.map((row) => row.run_id);
    },

    /** Hidden runs that have ended and are not emptied yet, in the order of their ids, after one of them. */
    async toEmpty({ partitions, limit }: RemovalPage, after: string | undefined): Promise<string[]> {
      const later = after === undefined ? sql`true` : sql`run_id > ${after}::uuid`;
      const rows = await db.query<{ run_id: string }>(sql`
        select run_id
        from scheduler.run
        where deleted_at is not null
          and removed_at is null
          and ended_at is not null
          and partition = any (${partitions}::int[])
          and ${later}
        order by run_id
        limit ${limit}
      `);
      return rows.map((row) => row.run_id);
    },

    /** Removes facts, outputs and files of runs, at most `limit` rows of each; answers whether nothing is left. */
    async removeContent(runIds: readonly string[], limit: number): Promise<boolean> {
      const [row] = await db.query<{ is_done: boolean }>(sql`
        with event as (
          delete from scheduler.run_event
          where ctid = any (array(
            select ctid from scheduler.run_event where run_id = any (${runIds}::uuid[]) limit ${limit}
          ))
          returning 1
        ), payload as (
          delete from scheduler.payload
          where ctid = any (array(
            select ctid from scheduler.payload where run_id = any (${runIds}::uuid[]) limit ${limit}
          ))
          returning 1
        ), program as (
          delete from scheduler.program
          where run_id = any (${runIds}::uuid[])
        )
        select
          (select count(*) from event) < ${limit} and (select count(*) from payload) < ${limit} as is_done
      `);
      return row?.is_done ?? true;
    },

    /**
     * Notes that nothing of these runs is left but their rows, and leaves of those
     * what makes their requests known until they are 24 hours old; and for an hour,
     * by which whoever still wrote is heard of.
     */
    async noteEmpty(runIds: readonly string[]): Promise<void> {
      await db.query(sql`
        update scheduler.run
        set
          removed_at = now(),
          forget_at = greatest(created_at + interval '24 hours', now() + interval '1 hour'),
          name = '',
          labels = '{}',
          failure = null
        where run_id = any (${runIds}::uuid[])
          and deleted_at is not null
          and removed_at is null
      `);
    },

    /**
     * Emptied runs of which nobody needs the rows any more. `isYoung` says that
     * somebody may have written when it was emptied, `hasChildren` that a run that
     * it started is not hidden.
     */
    async toForget({ partitions, limit }: RemovalPage): Promise<ForgettableRun[]> {
      const rows = await db.query<{ run_id: string; is_young: boolean; has_children: boolean }>(sql`
        select
          run_id,
          removed_at < ended_at + interval '1 hour' as is_young,
          exists (
            select
            from scheduler.run as child
            where child.parent_run_id = run.run_id
              and child.deleted_at is null
          ) as has_children
        from scheduler.run as run
        where forget_at < now()
          and partition = any (${partitions}::int[])
        order by forget_at
        limit ${limit}
      `);
      return rows.map((row) => ({
        runId: row.run_id,
        isYoung: row.is_young,
        hasChildren: row.has_children,
      }));
    },

    /** Removes the rows of emptied runs: their ids are free. */
    async forget(runIds: readonly string[]): Promise<void> {
      await db.query(sql`
        delete from scheduler.run
        where run_id = any (${runIds}::uuid[])
          and removed_at is not null
      `);
    },

    /** Forgets requests that are 24 hours old; answers how many. */
    async forgetRequests(limit: number): Promise<number> {
      const [row] = await db.query<{ count: number }>(sql`
        with forgotten as (
          delete from scheduler.request
          where (client_id, request_id) in (
            select client_id, request_id
            from scheduler.request
            where at < now() - interval '24 hours'
            order by at
            limit ${limit}
            for update skip locked
          )
          returning 1
        )
        select count(*)::int as count from forgotten
      `);
      return row?.count ?? 0;
    },
  };
}

export type RemovalStore = ReturnType<typeof removalStore>;
