/*
 * Keeps a replica alive and its share of the partitions owned.
 *
 *   C1. The lease is renewed before anything is claimed; the owner may answer
 *       until the lease ends, counted from when the renewal was sent.
 *   C2. Taking a partition is two statements: raise the epoch, then read. So
 *       every commit of the former owner is either read or fenced.
 *   C3. Partitions of an owner whose lease expired, or that nobody owns, are
 *       taken up to a fair share; what is beyond it is given back, also what is
 *       owned in the database alone, which nobody else could take.
 *   C4. A stand-alone run whose row lacks the state of its task, because older
 *       code wrote it, gets it before it is decided about.
 *   C5. A partition with a history that can not be folded is given back: if newer
 *       code wrote it, only newer code may decide about it; if it is broken, the
 *       other partitions go on.
 */
import { Backoff } from "../../lib/async/backoff.ts";
import { delay } from "../../lib/async/delay.ts";
import type { Logger } from "../../lib/log/log.ts";
import type { Run } from "./core/run.ts";
import type { LiveRun } from "./history-store.ts";
import type { Claim, Ownership, PartitionStore } from "./partition-store.ts";
import { HistoryUnreadable } from "./run-loader.ts";

/** Between two renewals; a third of what a lease bears to be missed. */
const intervalMs = 1_000;

/** How long before the end of its lease an owner stops to answer, for what two clocks may differ in speed. */
const marginMs = 1_000;

/** How long a partition that had to be given back is left to others. */
const avoidMs = 60_000;

/** How many runs are folded in one read after a claim. */
const runsPerRead = 500;

export interface ClaimLoop {
  readonly incarnation: string;
  /** Where other replicas reach this one; empty when they can not. */
  readonly address: string;
  readonly leaseMs: number;
  readonly partitions: PartitionStore;
  readonly liveRuns: (partitions: readonly number[]) => Promise<readonly LiveRun[]>;
  readonly load: (runIds: readonly string[]) => Promise<Map<string, Run>>;
  readonly owner: {
    readonly claims: ReadonlyMap<number, Claim>;
    extendLease(endsAt: number): void;
    lose(partitions: ReadonlySet<number>): void;
  };
  /** Writes the rows of runs as they stand, under these claims. */
  readonly writeRows: (claims: readonly Claim[], runs: readonly Run[]) => Promise<void>;
  /** Called with what was claimed and read. */
  readonly onClaimed: (claims: readonly Claim[], runs: readonly Run[]) => Promise<void>;
  /** Called with who owns what, each time it was read. */
  readonly onOwnerships: (ownerships: readonly Ownership[]) => void;
  /** Called with the database's clock as read at a moment of `performance.now()`. */
  readonly onClock: (databaseTime: Date, readAt: number) => void;
  /** A signal that aborts when, from now on, a claim is lost and should be looked after at once. */
  readonly nextLoss: () => AbortSignal;
  readonly log: Logger;
}

export async function claimLoop(loop: ClaimLoop, signal: AbortSignal): Promise<void> {
  const backoff = new Backoff({ firstMs: 100, maxMs: 2_000 });
  await loop.partitions.forgetReplicas().catch((error: unknown) => {
    loop.log.debug({ err: error }, "former replicas not forgotten");
  });
  const avoided = new Map<number, number>();
  while (!signal.aborted) {
    const loss = loop.nextLoss();
    try {
      await turn(loop, avoided);
      backoff.reset();
      await delay(intervalMs, AbortSignal.any([signal, loss]));
    } catch (error) {
      const level = backoff.failures === 0 ? "debug" : "warn";
      loop.log[level]({ err: error }, "partitions not claimed");
      await backoff.wait(signal);
    }
  }
}

/** One turn. `avoided` holds partitions that were given back, with the time until which they are left alone. */
async function turn(loop: ClaimLoop, avoided: Map<number, number>): Promise<void> {
  const { incarnation, address, leaseMs, partitions, owner } = loop;
  const sentAt = performance.now();
  const databaseTime = await partitions.renew({ incarnation, address, leaseMs });
  loop.onClock(databaseTime, (sentAt + performance.now()) / 2);
  owner.extendLease(sentAt + leaseMs - marginMs);

  const ownerships = await partitions.ownerships();
  loop.onOwnerships(ownerships);
  const mine = ownerships.filter((ownership) => ownership.incarnation === incarnation);
  const taken = new Set(
    [...owner.claims.keys()].filter((held) => !mine.some(({ partition }) => partition === held)),
  );
  if (taken.size > 0) owner.lose(taken);

  const replicaCount = Math.max(1, await partitions.replicaCount());
  const share = Math.ceil(ownerships.length / replicaCount);
  // Mine in the database but not in memory: lost by a failed commit.
  const again = mine.filter(({ partition }) => !owner.claims.has(partition));
  const free = ownerships.filter((ownership) => ownership.incarnation === undefined);
  const wanted = [...again, ...free]
    .map(({ partition }) => partition)
    .filter((partition) => (avoided.get(partition) ?? 0) < performance.now())
    .slice(0, Math.max(0, share - owner.claims.size));
  if (wanted.length > 0) await claim(loop, wanted, avoided);

  const excess = [...owner.claims.keys()].slice(share);
  const left = again.map(({ partition }) => partition).filter((partition) => !wanted.includes(partition));
  if (excess.length + left.length > 0) {
    owner.lose(new Set(excess));
    await partitions.release({ incarnation, partitions: [...excess, ...left] });
  }
}

async function claim(
  loop: ClaimLoop,
  wanted: readonly number[],
  avoided: Map<number, number>,
): Promise<void> {
  const claims = await loop.partitions.take({ incarnation: loop.incarnation, partitions: wanted });
  if (claims.length === 0) return;
  const numbers = claims.map(({ partition }) => partition);
  try {
    const live = await loop.liveRuns(numbers);
    const runIds = live.map(({ runId }) => runId);
    const runs: Run[] = [];
    for (let from = 0; from < runIds.length; from += runsPerRead) {
      runs.push(...(await loop.load(runIds.slice(from, from + runsPerRead))).values());
    }
    const lacking = new Set(live.flatMap(({ runId, lacksTaskState }) => (lacksTaskState ? [runId] : [])));
    const unshown = runs.filter(({ runId }) => lacking.has(runId));
    if (unshown.length > 0) await loop.writeRows(claims, unshown);
    await loop.onClaimed(claims, runs);
    loop.log.info({ partitions: numbers.length, runs: runs.length }, "partitions claimed");
  } catch (error) {
    if (!(error instanceof HistoryUnreadable)) throw error;
    if (numbers.length > 1) {
      for (const partition of numbers) await claim(loop, [partition], avoided);
      return;
    }
    loop.log.error(
      { err: error, partitions: numbers },
      "partition holds a history that this code can not fold, and is given back",
    );
    for (const partition of numbers) avoided.set(partition, performance.now() + avoidMs);
    await loop.partitions.release({ incarnation: loop.incarnation, partitions: numbers });
  }
}
