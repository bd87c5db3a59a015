/*
 * Looks at runs that have changed since somebody last looked at them, and at
 * little else: who watches a thousand idle tasks asks every second.
 *
 *   C1. A record of this owner holds every fact that is committed. One that holds
 *       no more than the caller knows has not changed; one that holds more may be
 *       ahead of history, so what is seen in it is answered after a commit.
 *       That of a run that was cancelled may be of one that was deleted; who knows
 *       nothing of it is told what history shows.
 *   C2. Whether other runs changed is asked of history in one query; those that
 *       did are folded.
 */
import { DomainError } from "../../lib/errors/domain-error.ts";
import type { Run } from "./core/run.ts";
import type { HistoryStore } from "./history-store.ts";
import type { Owner } from "./owner.ts";

export interface ChangedRuns {
  readonly owner: Pick<Owner, "recordOf" | "execute">;
  readonly history: Pick<HistoryStore, "runsBeyond">;
  readonly loadAll: (runIds: readonly string[]) => Promise<Map<string, Run>>;
}

/**
 * What `look` sees in the runs that hold more facts than the caller knows of
 * them (0: everything there is), by run. `look` must be pure, and keep nothing of
 * the run.
 */
export async function lookAtChanged<Seen>(
  { owner, history, loadAll }: ChangedRuns,
  known: ReadonlyMap<string, number>,
  look: (run: Run) => Seen,
): Promise<Map<string, Seen>> {
  const seen = new Map<string, Seen>();
  const unknown: string[] = [];
  const elsewhere = new Map<string, number>();
  const lookInRecord = async (runId: string): Promise<void> => {
    try {
      const found = await owner.execute(runId, (run) => ({
        facts: [],
        result: run === undefined ? [] : [look(run)],
      }));
      for (const one of found) seen.set(runId, one);
    } catch (error) {
      if (!(error instanceof DomainError)) throw error;
      // Its partition was lost meanwhile.
      unknown.push(runId);
    }
  };
  const looks: Promise<void>[] = [];
  for (const [runId, seq] of known) {
    const held = owner.recordOf(runId);
    const isShown = held !== undefined && !(seq === 0 && held.isCancelRequested);
    if (isShown) {
      if (held.seq > seq) looks.push(lookInRecord(runId));
    } else if (seq > 0) {
      elsewhere.set(runId, seq);
    } else {
      unknown.push(runId);
    }
  }
  const [beyond] = await Promise.all([
    elsewhere.size === 0 ? [] : history.runsBeyond(elsewhere),
    Promise.all(looks),
  ]);
  const toFold = [...unknown, ...beyond];
  if (toFold.length > 0) for (const [runId, run] of await loadAll(toFold)) seen.set(runId, look(run));
  return seen;
}
