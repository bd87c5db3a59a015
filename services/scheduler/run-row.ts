import { partitionOf } from "../../lib/ids/partition.ts";
import { jsonBytes } from "./core/json.ts";
import { type Run, standAloneTask } from "./core/run.ts";
import type { RunRow } from "./history-store.ts";

/** The row that lists show of a run. */
export function runRowOf(run: Run): RunRow {
  return {
    run_id: run.runId,
    partition: partitionOf(run.runId),
    client_id: run.clientId,
    workflow_id: run.workflowId ?? null,
    workflow_version: run.workflowVersion ?? null,
    name: run.plan.definition.name,
    labels: Object.entries(run.labels)
      .map(([name, value]) => `${name}=${value}`)
      .sort(),
    priority: run.priority,
    parent_run_id: run.parent?.runId ?? null,
    schedule_id: run.scheduleId ?? null,
    rerun_of: run.rerunOf ?? null,
    state: run.state,
    task_state: standAloneTask(run)?.state ?? null,
    is_cancel_requested: run.isCancelRequested,
    failure: run.failure === undefined ? null : jsonBytes({ ...run.failure }),
    created_at: run.createdAt,
    ended_at: run.endedAt ?? null,
  };
}
