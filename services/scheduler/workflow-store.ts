import type { Database } from "../../lib/postgres/database.ts";
import type { Queryable } from "../../lib/postgres/session.ts";
import { sql } from "../../lib/postgres/sql.ts";
import type { Definition } from "./core/definition.ts";

/** A stored definition. */
export interface StoredWorkflow {
  readonly workflowId: string;
  readonly clientId: string;
  readonly version: string;
  readonly definition: Definition;
  readonly createdAt: Date;
}

interface Row {
  readonly workflow_id: string;
  readonly client_id: string;
  readonly version: string;
  readonly definition: Uint8Array;
  readonly created_at: Date;
}

/** SQL of stored definitions. They never change, so what was read once may be kept. */
export function workflowStore(db: Database) {
  return {
    /** Stores a definition unless it is stored, and notes the request for 24 hours at least. Answers `reused`, and stores nothing, when the request id belongs to another request. */
    async create(
      workflow: Omit<StoredWorkflow, "createdAt">,
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
          returning digest
        ), forgotten as (
          delete from scheduler.request
          where client_id = ${clientId}
            and request_id in (
              select request_id
              from scheduler.request
              where client_id = ${clientId}
                and request_id <> ${request.requestId}
                and at < now() - interval '24 hours'
              limit 100
              for update skip locked
            )
        ), created as (
          insert into scheduler.workflow (workflow_id, client_id, name, version, definition)
          select
            ${workflowId}::uuid, ${clientId}::text, ${definition.name}::text, ${version}::text,
            ${new TextEncoder().encode(JSON.stringify(definition))}::bytea
          from noted
          where noted.digest = ${request.digest}
          on conflict (workflow_id) do nothing
        )
        select digest from noted
      `);
      if (noted?.digest !== request.digest) return "reused";
      const stored = (await this.read([workflowId])).get(workflowId);
      if (stored === undefined) throw new Error(`workflow ${workflowId} was stored and is not there`);
      return stored;
    },

    /** Stored definitions by id; unknown ones are missing. */
    async read(workflowIds: readonly string[]): Promise<Map<string, StoredWorkflow>> {
      const rows = await db.query<Row>(sql`
        select workflow_id, client_id, version, definition, created_at
        from scheduler.workflow
        where workflow_id = any (${workflowIds}::uuid[])
      `);
      return new Map(rows.map((row) => [row.workflow_id, workflowOfRow(row)]));
    },

    /** The definition that new runs may be started by: the one of an id, or the newest of a client's of a name. Undefined when there is none that is not deleted. */
    async startable(
      wanted: { readonly workflowId: string } | { readonly clientId: string; readonly name: string },
    ): Promise<StoredWorkflow | undefined> {
      const isWanted =
        "workflowId" in wanted
          ? sql`workflow_id = ${wanted.workflowId}::uuid`
          : sql`client_id = ${wanted.clientId} and name = ${wanted.name}`;
      const [row] = await db.query<Row>(sql`
        select workflow_id, client_id, version, definition, created_at
        from scheduler.workflow
        where ${isWanted}
          and deleted_at is null
        order by created_at desc, workflow_id
        limit 1
      `);
      return row && workflowOfRow(row);
    },
  };
}

export type WorkflowStore = ReturnType<typeof workflowStore>;

/** Stores a definition unless it is stored, and takes a deleted one back. */
export async function keepWorkflow(
  db: Queryable,
  { workflowId, clientId, version, definition }: Omit<StoredWorkflow, "createdAt">,
): Promise<void> {
  await db.query(sql`
    insert into scheduler.workflow (workflow_id, client_id, name, version, definition)
    values (
      ${workflowId}::uuid, ${clientId}, ${definition.name}, ${version},
      ${new TextEncoder().encode(JSON.stringify(definition))}::bytea
    )
    on conflict (workflow_id) do update set deleted_at = null
    where workflow.deleted_at is not null
  `);
}

function workflowOfRow(row: Row): StoredWorkflow {
  return {
    workflowId: row.workflow_id,
    clientId: row.client_id,
    version: row.version,
    definition: JSON.parse(new TextDecoder().decode(row.definition)) as Definition,
    createdAt: row.created_at,
  };
}
