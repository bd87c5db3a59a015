import type { Database } from "../../lib/postgres/database.ts";
import { type Statement, sql } from "../../lib/postgres/sql.ts";
import { isFinalRun, type RunState } from "./core/task-state.ts";
import type { RunRow } from "./history-store.ts";
import { beginningWith, containing } from "./like-pattern.ts";

/** Where a page of runs goes on: after the last run of the page before. */
export interface RunPlace {
  readonly createdAt: Date;
  readonly runId: string;
}

/** Which runs a list shows; what is undefined, or empty, restricts nothing. */
export interface RunFilter {
  readonly clientId?: string | undefined;
  readonly states?: readonly RunState[];
  readonly workflowId?: string | undefined;
  readonly name?: string | undefined;
  /** Accepted then or later. */
  readonly createdAfter?: Date | undefined;
  /** Accepted earlier than that. */
  readonly createdBefore?: Date | undefined;
  /** `key=value`; a run has all of them. */
  readonly labels?: readonly string[];
  /** What the run's id begins with, or its name, a label or its failure contains. */
  readonly text?: string | undefined;
  /** Only runs that this one started. Undefined: none that another run started, unless `includeChildren`. */
  readonly parentRunId?: string | undefined;
  readonly includeChildren?: boolean;
  readonly scheduleId?: string | undefined;
}

/** SQL of lists of runs: newest first, stable while others are added. Deleted runs are in none. */
export function runStore(db: Database) {
  return {
    /** The row of one run; undefined when it is unknown or deleted. */
    async row(runId: string): Promise<RunRow | undefined> {
      const [row] = await db.query<RunRow>(sql`
        select ${columns}
        from scheduler.run
        where run_id = ${runId}::uuid
          and deleted_at is null
      `);
      return row;
    },

    /**
     * A page of runs. What no index leads to (a text, a label, a name among many
     * runs) is looked for from the newest run of the client on, so it costs as
     * many rows as are passed over.
     */
    async page(
      filter: RunFilter,
      { after, limit }: { readonly after: RunPlace | undefined; readonly limit: number },
    ): Promise<RunRow[]> {
      const conditions = conditionsOf(filter);
      if (after !== undefined) {
        conditions.push(sql`(created_at, run_id) < (${after.createdAt}::timestamptz, ${after.runId}::uuid)`);
      }
      return await db.query<RunRow>(sql`
        select ${columns}
        from scheduler.run
        where deleted_at is null ${conditions.reduce((all, one) => sql`${all} and ${one}`, sql``)}
        order by created_at desc, run_id desc
        limit ${limit}
      `);
    },
  };
}

export type RunStore = ReturnType<typeof runStore>;

const columns = sql`
  run_id, partition, client_id, workflow_id, workflow_version, name, labels, priority,
  parent_run_id, schedule_id, rerun_of, state, task_state, is_cancel_requested, failure, created_at,
  ended_at
`;

function conditionsOf(filter: RunFilter): Statement[] {
  const { clientId, states = [], labels = [], parentRunId, text } = filter;
  const conditions: Statement[] = [];
  if (clientId !== undefined) conditions.push(sql`client_id = ${clientId}`);
  if (states.length > 0) {
    conditions.push(sql`state = any (${states}::text[])`);
    // Says what the states say, for the index of live runs.
    if (!states.some(isFinalRun)) conditions.push(sql`ended_at is null`);
    // Likewise for that of runs that ended badly.
    if (states.every((state) => state === "failed" || state === "cancelled")) {
      conditions.push(sql`state in ('failed', 'cancelled')`);
    }
  }
  if (filter.workflowId !== undefined) conditions.push(sql`workflow_id = ${filter.workflowId}::uuid`);
  if (filter.name !== undefined) conditions.push(sql`name = ${filter.name}`);
  if (filter.createdAfter !== undefined)
    conditions.push(sql`created_at >= ${filter.createdAfter}::timestamptz`);
  if (filter.createdBefore !== undefined) {
    conditions.push(sql`created_at < ${filter.createdBefore}::timestamptz`);
  }
  // The second says what the first does, for the index of runs with labels.
  if (labels.length > 0) conditions.push(sql`labels @> ${labels}::text[] and labels <> '{}'`);
  if (filter.scheduleId !== undefined) conditions.push(sql`schedule_id = ${filter.scheduleId}::uuid`);
  if (parentRunId !== undefined) conditions.push(sql`parent_run_id = ${parentRunId}::uuid`);
  else if (filter.includeChildren !== true) conditions.push(sql`parent_run_id is null`);
  if (text !== undefined) conditions.push(hasText(text));
  return conditions;
}

/** Runs in which a text is found. A failure is JSON: the text is looked for as it stands in there, and names of fields are not. */
function hasText(text: string): Statement {
  const inJson = JSON.stringify(text).slice(1, -1);
  return sql`(
    run_id::text like ${beginningWith(text.toLowerCase())}
    or name ilike ${containing(text)}
    or array_to_string(labels, chr(10)) ilike ${containing(text)}
    or (
      failure is not null
      and regexp_replace(
        convert_from(failure, 'UTF8'), '[{,]"(reason|message|nodeId|exitCode)":', chr(10), 'g'
      ) ilike ${containing(inJson)}
    )
  )`;
}
