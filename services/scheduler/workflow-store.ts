import type { Database } from "../../lib/postgres/database.ts";
import { sql } from "../../lib/postgres/sql.ts";
import type { Definition } from "./core/definition.ts";

/** What lists show of a stored definition. */
export interface WorkflowEntry {
  readonly workflowId: string;
  readonly clientId: string;
  readonly version: string;
  readonly name: string;
  readonly createdAt: Date;
  /** When it was stored last on purpose; undefined when it only came along with starts. */
  readonly appliedAt: Date | undefined;
}

/** A stored definition. */
export interface StoredWorkflow {
  readonly workflowId: string;
  readonly clientId: string;
  readonly version: string;
  readonly definition: Definition;
  readonly createdAt: Date;
  /** When it was stored last on purpose; undefined when it only came along with starts. */
  readonly appliedAt: Date | undefined;
}

/** Where a page of workflows goes on: after the last one of the page before. */
export interface WorkflowPlace {
  readonly appliedAt: Date;
  readonly workflowId: string;
}

/** What became of the removal of a workflow. */
export type WorkflowRemoval =
  | { readonly kind: "deleted" }
  | { readonly kind: "not_found" }
  /** The request id belongs to another request. */
  | { readonly kind: "reused" }
  | { readonly kind: "in_use"; readonly scheduleId: string };

/** A request as it is kept for 24 hours, to know its repeats. */
export interface NotedRequest {
  readonly clientId: string;
  readonly requestId: string;
  readonly digest: string;
}

interface EntryRow {
  readonly workflow_id: string;
  readonly client_id: string;
  readonly version: string;
  readonly name: string;
  readonly created_at: Date;
  readonly applied_at: Date | null;
}

interface Row extends Omit<EntryRow, "name"> {
  readonly definition: Uint8Array;
}

/** SQL of stored definitions. Their content never changes, so what was read once may be kept. */
export function workflowStore(db: Database) {
  return {
    /**
     * Stores a definition unless it is stored, makes it the one that its name
     * stands for, and takes a deletion of it back, unless the request is a repeat. Answers `reused`, and stores nothing, when
     * the request id belongs to another request.
     */
    async create(
      workflow: Omit<StoredWorkflow, "createdAt" | "appliedAt">,
      request: { requestId: string; digest: string },
    ): Promise<StoredWorkflow | "reused"> {
      const { workflowId, clientId, version, definition } = workflow;
      const [noted] = await db.query<{ digest: string }>(sql`
        with noted as (
          insert into scheduler.request (client_id, request_id, digest)
          values (${clientId}, ${request.requestId}, ${request.digest})
          -- Writes nothing, but waits for a request of the same id in flight
          -- and returns its row.
          on conflict (client_id, request_id) do update set digest = scheduler.request.digest
          -- A row that was there before was locked by somebody: this statement.
          returning digest, xmax = 0 as is_new
        ), created as (
          -- Lists go on after a time, which callers hold in milliseconds.
          insert into scheduler.workflow as stored (
            workflow_id, client_id, name, version, definition, created_at, applied_at
          )
          select
            ${workflowId}::uuid, ${clientId}::text, ${definition.name}::text, ${version}::text,
            ${new TextEncoder().encode(JSON.stringify(definition))}::bytea,
            date_trunc('milliseconds', now()), date_trunc('milliseconds', clock_timestamp())
          from noted
          where noted.digest = ${request.digest}
          on conflict (workflow_id) do update
          set
            deleted_at = null,
            applied_at = excluded.applied_at
          where (select is_new from noted)
        )
        select digest from noted
      `);
      if (noted?.digest !== request.digest) return "reused";
      const stored = (await this.read([workflowId])).get(workflowId);
      if (stored === undefined) throw new Error(`workflow ${workflowId} was stored and is not there`);
      return stored;
    },

    /** Stores a definition that came along with a start, unless it is stored, or was and is deleted: then it is back. Its name does not stand for it. */
    async keep({
      workflowId,
      clientId,
      version,
      definition,
    }: Omit<StoredWorkflow, "createdAt" | "appliedAt">): Promise<void> {
      await db.query(sql`
        insert into scheduler.workflow as stored (workflow_id, client_id, name, version, definition, created_at)
        values (
          ${workflowId}::uuid, ${clientId}, ${definition.name}, ${version},
          ${new TextEncoder().encode(JSON.stringify(definition))}::bytea, date_trunc('milliseconds', now())
        )
        on conflict (workflow_id) do update
        set
          deleted_at = null,
          applied_at = null
        where stored.deleted_at is not null
      `);
    },

    /** Stored definitions by id, also deleted ones, whose runs go on; unknown ones are missing. */
    async read(workflowIds: readonly string[]): Promise<Map<string, StoredWorkflow>> {
      const rows = await db.query<Row>(sql`
        select workflow_id, client_id, version, definition, created_at, applied_at
        from scheduler.workflow
        where workflow_id = any (${workflowIds}::uuid[])
      `);
      return new Map(
        rows.map((row) => [
          row.workflow_id,
          {
            workflowId: row.workflow_id,
            clientId: row.client_id,
            version: row.version,
            definition: JSON.parse(new TextDecoder().decode(row.definition)) as Definition,
            createdAt: row.created_at,
            appliedAt: row.applied_at ?? undefined,
          },
        ]),
      );
    },

    /** The workflow of an id, or the one that a name stands for, that a client may see and start: of any client when `clientId` is undefined. Undefined when there is none, or it is deleted. */
    async find(
      clientId: string | undefined,
      wanted: { readonly workflowId: string } | { readonly name: string },
    ): Promise<WorkflowEntry | undefined> {
      const isWanted =
        "workflowId" in wanted
          ? sql`workflow_id = ${wanted.workflowId}::uuid`
          : sql`name = ${wanted.name} and applied_at is not null`;
      const [row] = await db.query<EntryRow>(sql`
        select workflow_id, client_id, version, name, created_at, applied_at
        from scheduler.workflow
        where deleted_at is null
          and ${ofClient(clientId)}
          and ${isWanted}
        order by applied_at desc, workflow_id desc
        limit 1
      `);
      return row && entryOf(row);
    },

    /** A page of the workflows that were stored on purpose, the last of them first; of all clients when `clientId` is undefined. */
    async page({
      clientId,
      name,
      after,
      limit,
    }: {
      readonly clientId: string | undefined;
      /** Exactly this one; undefined for all. */
      readonly name: string | undefined;
      readonly after: WorkflowPlace | undefined;
      readonly limit: number;
    }): Promise<WorkflowEntry[]> {
      const ofName = name === undefined ? sql`true` : sql`name = ${name}`;
      const later =
        after === undefined
          ? sql`true`
          : sql`(applied_at, workflow_id) < (${after.appliedAt}::timestamptz, ${after.workflowId}::uuid)`;
      const rows = await db.query<EntryRow>(sql`
        select workflow_id, client_id, version, name, created_at, applied_at
        from scheduler.workflow
        where deleted_at is null
          and applied_at is not null
          and ${ofClient(clientId)}
          and ${ofName}
          and ${later}
        order by applied_at desc, workflow_id desc
        limit ${limit}
      `);
      return rows.map(entryOf);
    },

    /** Deletes a workflow, of any client when `clientId` is undefined, unless a schedule starts it; and notes the request. A repeat of the request is answered as it was. */
    async remove(
      { workflowId, clientId }: { readonly workflowId: string; readonly clientId: string | undefined },
      request: NotedRequest,
    ): Promise<WorkflowRemoval> {
      const [row] = await db.query<{
        digest: string | null;
        schedule_id: string | null;
        was_there: boolean;
        is_deleted: boolean;
      }>(sql`
        with known as (
          select digest
          from scheduler.request
          where client_id = ${request.clientId}
            and request_id = ${request.requestId}
        ), wanted as (
          select workflow_id
          from scheduler.workflow
          where workflow_id = ${workflowId}::uuid
            and deleted_at is null
            and ${ofClient(clientId)}
        ), starting as (
          select schedule_id
          from scheduler.schedule
          where workflow_id = ${workflowId}::uuid
          limit 1
        ), deleted as (
          update scheduler.workflow as workflow
          set deleted_at = now()
          from wanted
          where workflow.workflow_id = wanted.workflow_id
            and workflow.deleted_at is null
            and not exists (select from known)
            and not exists (select from starting)
          returning workflow.workflow_id
        ), noted as (
          insert into scheduler.request (client_id, request_id, digest)
          select ${request.clientId}::text, ${request.requestId}::text, ${request.digest}::text
          from deleted
          on conflict (client_id, request_id) do nothing
        )
        select
          (select digest from known) as digest,
          (select schedule_id from starting) as schedule_id,
          exists (select from wanted) as was_there,
          exists (select from deleted) as is_deleted
      `);
      if (row === undefined) throw new Error("a row of values was not answered");
      if (row.digest !== null) return { kind: row.digest === request.digest ? "deleted" : "reused" };
      if (row.is_deleted) return { kind: "deleted" };
      if (!row.was_there) return { kind: "not_found" };
      if (row.schedule_id !== null) return { kind: "in_use", scheduleId: row.schedule_id };
      // Another request deleted it meanwhile, perhaps this one's repeat: what it noted can be read by now.
      return await this.remove({ workflowId, clientId }, request);
    },
  };
}

export type WorkflowStore = ReturnType<typeof workflowStore>;

function ofClient(clientId: string | undefined) {
  return clientId === undefined ? sql`true` : sql`client_id = ${clientId}`;
}

function entryOf(row: EntryRow): WorkflowEntry {
  const { workflow_id: workflowId, client_id: clientId, version, name } = row;
  return {
    workflowId,
    clientId,
    version,
    name,
    createdAt: row.created_at,
    appliedAt: row.applied_at ?? undefined,
  };
}
