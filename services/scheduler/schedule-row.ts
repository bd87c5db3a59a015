import { fromBinary } from "@bufbuild/protobuf";
import { ScheduleSchema } from "../../gen/antiphon/scheduler/v1/schedule_pb.ts";
import { sql } from "../../lib/postgres/sql.ts";
import type { Failure } from "./core/event.ts";
import type { Schedule } from "./schedule.ts";

/** A row of `scheduler.schedule`, but for the file of its task. */
export interface ScheduleRow {
  readonly schedule_id: string;
  readonly partition: number;
  readonly client_id: string;
  readonly name: string;
  readonly workflow_id: string | null;
  readonly content: Uint8Array;
  readonly paused: boolean;
  readonly revision: number;
  readonly next_at: Date | null;
  readonly resumed_at: Date | null;
  readonly last_firing_at: Date | null;
  readonly last_run_id: string | null;
  readonly last_failure: Uint8Array | null;
  readonly starting_firings: readonly Date[];
  readonly waiting_firings: readonly Date[];
  readonly cancelling_runs: readonly string[];
  readonly created_at: Date;
  readonly updated_at: Date | null;
}

/** The columns of a `ScheduleRow`, of the table under the name `schedule`. */
export const scheduleColumns = sql`
  schedule.schedule_id, schedule.partition, schedule.client_id, schedule.name, schedule.workflow_id,
  schedule.content, schedule.paused, schedule.revision, schedule.next_at, schedule.resumed_at,
  schedule.last_firing_at, schedule.last_run_id, schedule.last_failure, schedule.starting_firings,
  schedule.waiting_firings, schedule.cancelling_runs, schedule.created_at, schedule.updated_at
`;

export function scheduleOfRow(row: ScheduleRow): Schedule {
  return {
    scheduleId: row.schedule_id,
    partition: row.partition,
    clientId: row.client_id,
    name: row.name,
    workflowId: row.workflow_id ?? undefined,
    content: fromBinary(ScheduleSchema, row.content),
    paused: row.paused,
    revision: row.revision,
    nextAt: row.next_at ?? undefined,
    resumedAt: row.resumed_at ?? undefined,
    lastFiringAt: row.last_firing_at ?? undefined,
    lastRunId: row.last_run_id ?? undefined,
    lastFailure:
      row.last_failure === null
        ? undefined
        : (JSON.parse(new TextDecoder().decode(row.last_failure)) as Failure),
    starting: row.starting_firings,
    waiting: row.waiting_firings,
    cancelling: row.cancelling_runs,
    createdAt: row.created_at,
    updatedAt: row.updated_at ?? row.created_at,
  };
}
