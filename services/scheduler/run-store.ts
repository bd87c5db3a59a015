import type { Database } from "../../lib/postgres/database.ts";
import { sql } from "../../lib/postgres/sql.ts";
import type { RunState } from "./core/task-state.ts";
import type { RunRow } from "./history-store.ts";

/** Where a page of runs goes on: after the last run of the page before. */
export interface RunPlace {
  readonly createdAt: Date;
  readonly runId: string;
}

/** SQL of lists of runs: newest first, stable while others are added. */
export function runStore(db: Database) {
  return {
    /** A page of runs; of all clients when `clientId` is undefined, in any state when `states` is empty. */
    async page({
      clientId,
      states,
      standAloneOnly,
      after,
      limit,
    }: {
      readonly clientId: string | undefined;
      readonly states: readonly RunState[];
      readonly standAloneOnly: boolean;
      readonly after: RunPlace | undefined;
      readonly limit: number;
    }): Promise<RunRow[]> {
      const ofClient = clientId === undefined ? sql`true` : sql`client_id = ${clientId}`;
      const inStates = states.length === 0 ? sql`true` : sql`state = any (${states}::text[])`;
      const ofKind = standAloneOnly ? sql`workflow_id is null` : sql`true`;
      const later =
        after === undefined
          ? sql`true`
          : sql`(created_at, run_id) < (${after.createdAt}::timestamptz, ${after.runId}::uuid)`;
      return await db.query<RunRow>(sql`
        select
          run_id, partition, client_id, workflow_id, workflow_version, name, labels, priority,
          parent_run_id, schedule_id, rerun_of, state, is_cancel_requested, failure, created_at, ended_at
        from scheduler.run
        where ${ofClient}
          and ${inStates}
          and ${ofKind}
          and ${later}
        order by created_at desc, run_id desc
        limit ${limit}
      `);
    },
  };
}

export type RunStore = ReturnType<typeof runStore>;
