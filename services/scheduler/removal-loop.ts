/*
 * Removes runs that were deleted, and those that ended long ago.
 *
 *   R1. A run is hidden before anything of it goes: whoever finds a run finds it
 *       whole. A hidden run has ended, or goes on for nobody until it has, cancelled
 *       (cancel-hidden.ts); nothing brings it back, and nothing of it goes before.
 *   R2. First goes what lies elsewhere (transcripts, files), then facts and
 *       outputs, and then the row is noted as empty. Each step may be repeated, so
 *       after a death between any two of them the next turn, here or at the next
 *       owner, does the rest; two owners at once do no harm.
 *   R3. The row stays until the request that started the run is 24 hours old: a
 *       repeat of it starts nothing.
 *   R4. A run that a hidden one started too late to be hidden with it is hidden
 *       when its parent is emptied, or before that is forgotten.
 *   R5. A turn removes bounded batches. Runs are walked through by their ids, so
 *       one that can not be removed holds up no other.
 *   R6. Aborting `signal` ends the loop within one step.
 */
import { Backoff } from "../../lib/async/backoff.ts";
import type { Bell } from "../../lib/async/bell.ts";
import type { Logger } from "../../lib/log/log.ts";
import type { Storage } from "../../lib/storage/storage.ts";
import { artifactsOf } from "./artifact-key.ts";
import type { Owner } from "./owner.ts";
import type { RemovalStore } from "./removal-store.ts";

/** Between two turns that found little to do, unless somebody asks for one. */
const idleMs = 2_000;

/** How many runs a step takes. */
const runsPerStep = 200;

/** How many facts or outputs a statement removes. */
const rowsPerStatement = 10_000;

/** How many requests a turn forgets. */
const requestsPerStep = 1_000;

/** The partition whose owner does what belongs to none. */
const commonPartition = 0;

export interface RemovalLoop {
  readonly owner: Pick<Owner, "claims">;
  readonly store: Omit<RemovalStore, "hide" | "toCancel">;
  readonly storage: Pick<Storage, "remove">;
  /** Removes a part of the transcripts of runs; answers whether nothing is left. */
  readonly removeTranscripts: (runIds: readonly string[], signal: AbortSignal) => Promise<boolean>;
  /** How long runs are kept after their end, in milliseconds; 0 is for ever. */
  readonly retentionMs: number;
  /** Rings when a run was hidden. One that is hidden by another replica is found by the next turn. */
  readonly asked: Bell;
  readonly log: Logger;
}

/** Removes until `signal` aborts. Outages are waited out. */
export async function removalLoop(deps: RemovalLoop, signal: AbortSignal): Promise<void> {
  const backoff = new Backoff({ firstMs: 500, maxMs: 30_000 });
  let after: string | undefined;
  while (!signal.aborted) {
    try {
      const turn = await removalTurn(deps, after, signal);
      after = turn.after;
      if (turn.failed > 0) {
        await backoff.wait(signal);
        continue;
      }
      backoff.reset();
      if (turn.isIdle) await deps.asked.heard(signal, idleMs);
    } catch (error) {
      if (signal.aborted) return;
      if (backoff.failures > 0) deps.log.warn({ err: error }, "deleted runs not removed");
      await backoff.wait(signal);
    }
  }
}

/** What a turn leaves. */
interface Turn {
  /** Where the walk through hidden runs goes on; undefined at its beginning. */
  readonly after: string | undefined;
  readonly isIdle: boolean;
  /** How many runs could not be removed. */
  readonly failed: number;
}

/** Does one turn. Rejects when something that it needs is away; what it did stays done. */
export async function removalTurn(
  { owner, store, retentionMs, ...deps }: RemovalLoop,
  after: string | undefined,
  signal: AbortSignal,
): Promise<Turn> {
  const page = { partitions: [...owner.claims.keys()], limit: runsPerStep };
  if (page.partitions.length === 0) return { after, isIdle: true, failed: 0 };
  const expired = retentionMs === 0 ? 0 : await store.expire(page, retentionMs);

  const hidden = await store.toEmpty(page, after);
  await store.hideChildren(hidden);
  const emptied = await empty({ ...deps, store }, hidden, signal);
  await store.noteEmpty(emptied);

  const old = await store.toForget(page);
  await store.hideChildren(old.map(({ runId }) => runId));
  const forgettable = old.filter(({ hasChildren }) => !hasChildren);
  const young = forgettable.filter(({ isYoung }) => isYoung).map(({ runId }) => runId);
  const emptiedAgain = new Set(await empty({ ...deps, store }, young, signal));
  const forgotten = forgettable.filter(({ runId, isYoung }) => !isYoung || emptiedAgain.has(runId));
  await store.forget(forgotten.map(({ runId }) => runId));

  const isCommon = page.partitions.includes(commonPartition);
  const requests = isCommon ? await store.forgetRequests(requestsPerStep) : 0;
  const isWhole = hidden.length < runsPerStep && forgettable.length < runsPerStep;
  return {
    after: hidden.length < runsPerStep ? undefined : hidden.at(-1),
    isIdle: isWhole && expired < runsPerStep && requests < requestsPerStep,
    failed: hidden.length - emptied.length + forgettable.length - forgotten.length,
  };
}

/** Removes everything of runs but their rows; answers those of which nothing is left. */
async function empty(
  {
    store,
    storage,
    removeTranscripts,
    log,
  }: Pick<RemovalLoop, "store" | "storage" | "removeTranscripts" | "log">,
  runIds: readonly string[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  if (runIds.length === 0) return [];
  while (!(await removeTranscripts(runIds, signal))) signal.throwIfAborted();
  const emptied: string[] = [];
  for (const runId of runIds) {
    signal.throwIfAborted();
    try {
      await storage.remove(artifactsOf(runId));
      emptied.push(runId);
    } catch (error) {
      log.error({ err: error, runId }, "files of a deleted run not removed");
    }
  }
  while (!(await store.removeContent(emptied, rowsPerStatement))) signal.throwIfAborted();
  return emptied;
}
