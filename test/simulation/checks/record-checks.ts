import { partitionOf } from "../../../lib/ids/partition.ts";
import type { Run } from "../../../services/scheduler/core/run.ts";
import { isFinalRun } from "../../../services/scheduler/core/task-state.ts";
import type { Claim } from "../../../services/scheduler/partition-store.ts";
import type { Tables } from "../postgres/tables.ts";
import type { Ledger } from "./ledger.ts";
import type { Violations } from "./violations.ts";

/** One record in so many that are looked at is compared; comparing all takes more time than all the rest. */
const oneIn = 8;

/** Compares the records that owners decide on with the folds of history. */
export class RecordChecks {
  readonly #tables: Tables;
  readonly #ledger: Ledger;
  readonly #violations: Violations;
  #seen = 0;

  constructor({
    tables,
    ledger,
    violations,
  }: {
    readonly tables: Tables;
    readonly ledger: Ledger;
    readonly violations: Violations;
  }) {
    this.#tables = tables;
    this.#ledger = ledger;
    this.#violations = violations;
  }

  /** An owner begins to own partitions, with the records of all their live runs: every fact of an earlier epoch is in them. */
  adopted(claims: readonly Claim[], runs: readonly Run[]): void {
    const epochs = new Map(claims.map(({ partition, epoch }) => [partition, epoch]));
    const seqs = new Map(runs.map(({ runId, seq }) => [runId, seq]));
    for (const [runId, { seq, state }] of this.#ledger.runs) {
      const partition = partitionOf(runId);
      const isCurrent = this.#tables.partitions.get(partition)?.epoch === epochs.get(partition);
      if (!epochs.has(partition) || !isCurrent || isFinalRun(state) || seqs.get(runId) === seq) continue;
      const message = `partition ${partition} is taken with run ${runId} up to ${seqs.get(runId) ?? 0}, and history has ${seq}`;
      this.#violations.report("record differs", message);
    }
  }

  /** An owner decides on a record. When no commit is under way, it must be what history says. */
  seen(run: Run | undefined): void {
    const folded = run && this.#ledger.runs.get(run.runId);
    if (run === undefined || folded === undefined || folded.seq !== run.seq) return;
    this.#seen += 1;
    if (this.#seen % oneIn !== 0) return;
    const [live, history] = [shown(run), shown(folded)];
    if (live === history) return;
    this.#violations.report("record differs", `run ${run.runId} is ${live}, and history says ${history}`);
  }
}

function shown(run: Run): string {
  return JSON.stringify({ ...run, plan: undefined }, (_, value: unknown) =>
    value instanceof Map || value instanceof Set ? [...value] : value,
  );
}
