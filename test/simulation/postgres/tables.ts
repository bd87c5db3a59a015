import type { EventRow } from "../../../services/scheduler/event-codec.ts";
import type { RunRow } from "../../../services/scheduler/history-store.ts";
import type { StoredProgram } from "../../../services/scheduler/program-env.ts";
import type { WorkerRow } from "../../../services/scheduler/worker-store.ts";
import type { StoredWorkflow } from "../../../services/scheduler/workflow-store.ts";
import type { Cursor } from "../../../services/taskio/cursor.ts";
import type { StoredEntry } from "../../../services/taskio/transcript-store.ts";

/** A row of `scheduler.partition`. */
export interface PartitionRow {
  epoch: number;
  owner: string | undefined;
}

/** What Postgres has committed. */
export class Tables {
  readonly partitions: Map<number, PartitionRow>;
  readonly replicas = new Map<string, { address: string; leaseExpiresAtMs: number }>();
  readonly runs = new Map<string, RunRow>();
  readonly events = new Map<string, readonly EventRow[]>();
  readonly programs = new Map<string, StoredProgram>();
  readonly workflows = new Map<string, StoredWorkflow>();
  readonly requests = new Map<string, string>();
  readonly workers = new Map<string, WorkerRow>();
  readonly heads = new Map<string, Cursor>();
  readonly entries = new Map<string, readonly StoredEntry[]>();

  constructor(partitions: readonly number[]) {
    this.partitions = new Map(partitions.map((partition) => [partition, { epoch: 0, owner: undefined }]));
  }

  /** The history of a run, empty when there is none. */
  history(runId: string): readonly EventRow[] {
    return this.events.get(runId) ?? [];
  }
}
