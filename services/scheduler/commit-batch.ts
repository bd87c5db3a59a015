import type { WatchRunResponse } from "../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import type { Order } from "./control.ts";
import type { RunEvent } from "./core/event.ts";
import type { Run, Task } from "./core/run.ts";
import type { Consequences } from "./core/step.ts";
import type { EventRow } from "./event-codec.ts";
import type { Batch, RunRow } from "./history-store.ts";
import type { Claim } from "./partition-store.ts";
import type { StoredProgram } from "./program-env.ts";

/** How many bytes of facts and files go into one commit, unless one entry alone has more. */
const maxCommitBytes = 16 * 1024 * 1024;

/** What a committed decision changed, for those who act on it. */
export interface Committed {
  /** Undefined when there is no such run, and only orders go out. */
  readonly run: Run | undefined;
  readonly events: readonly RunEvent[];
  readonly ready: Consequences["ready"];
  readonly changed: ReadonlySet<Task>;
  readonly asked: Consequences["asked"];
  readonly orders: readonly Order[];
  /** What watchers of the run get; undefined when there are none. */
  readonly news: WatchRunResponse | undefined;
}

/** A decision about one run that waits for its commit. */
export interface Entry {
  readonly runId: string;
  readonly claim: Claim;
  readonly run: Run | undefined;
  readonly events: readonly RunEvent[];
  readonly eventRows: readonly EventRow[];
  readonly ready: Consequences["ready"];
  readonly changed: ReadonlySet<Task>;
  readonly asked: Consequences["asked"];
  readonly orders: readonly Order[];
  readonly news: WatchRunResponse | undefined;
  readonly begins: boolean;
  /** The run's row after the events; undefined when lists show no difference. */
  readonly row: RunRow | undefined;
  readonly program: StoredProgram | undefined;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Takes entries from the front of those that wait, as many as go into one commit; one at least. */
export function takeBatch(waiting: Entry[]): Entry[] {
  let bytes = 0;
  const full = waiting.findIndex((entry, index) => {
    bytes += bytesOf(entry);
    return index > 0 && bytes > maxCommitBytes;
  });
  return waiting.splice(0, full < 0 ? waiting.length : full);
}

function bytesOf({ eventRows, program }: Entry): number {
  return eventRows.reduce((sum, { payload }) => sum + payload.length, program?.content.length ?? 0);
}

/** What is let out when an entry is committed; undefined when there is nothing. */
export function committedOf(entry: Entry): Committed | undefined {
  const { run, events, ready, changed, asked, orders, news } = entry;
  if (run === undefined && orders.length === 0) return undefined;
  return { run, events, ready, changed, asked, orders, news };
}

/** What the store is given to commit entries of one owner. */
export function batchOf(incarnation: string, entries: readonly Entry[]): Batch {
  const claims = new Map<number, Claim>();
  const started = new Map<string, RunRow>();
  const changed = new Map<string, RunRow>();
  for (const { claim, runId, begins, row } of entries) {
    claims.set(claim.partition, claim);
    if (row === undefined) continue;
    const rows = begins || started.has(runId) ? started : changed;
    rows.set(runId, row);
  }
  return {
    incarnation,
    claims: [...claims.values()],
    events: entries.flatMap(({ eventRows }) => eventRows),
    started: [...started.values()],
    changed: [...changed.values()],
    programs: entries.flatMap(({ runId, program }) =>
      program === undefined
        ? []
        : [{ run_id: runId, content: program.content, sealed_env: program.sealedEnv ?? null }],
    ),
  };
}
