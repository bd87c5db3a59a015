import type { Run } from "../../../services/scheduler/core/run.ts";
import type { Ledger } from "./ledger.ts";
import type { Violations } from "./violations.ts";

/** One record in so many that are looked at is compared; comparing all takes more time than all the rest. */
const oneIn = 8;

/** Compares the records that owners decide on with the folds of history. */
export class RecordChecks {
  readonly #ledger: Ledger;
  readonly #violations: Violations;
  #seen = 0;

  constructor({ ledger, violations }: { readonly ledger: Ledger; readonly violations: Violations }) {
    this.#ledger = ledger;
    this.#violations = violations;
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
