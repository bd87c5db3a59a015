/*
 * Owns partitions: decides about their runs, commits what was decided, and lets
 * it out.
 *
 *   O1. A run is decided about by the replica that claims its partition, on
 *       records that hold every event decided so far, committed or not.
 *   O2. Nothing leaves before its commit: no answer, no order, no assignment, no
 *       news. An answer that brings no event, and a refusal, wait for an (empty)
 *       commit too, because only a commit shows that the claim still holds, and
 *       that what they were decided on is history.
 *   O3. One commit is in flight at a time; what arrives meanwhile goes into the
 *       next, as far as it fits. There is no timer.
 *   O4. A commit that is refused, or whose outcome is unknown, loses its
 *       partitions: their records are dropped, and whoever waits is told that the
 *       owner is away. The claim loop takes them anew at a higher epoch, which
 *       waits for a straggling commit and fences it, and folds them again. What a
 *       commit brought that was in flight meanwhile is answered and not let out:
 *       its records are not those that the partition is owned with.
 *   O5. Past its own lease, by its monotonic clock, an owner answers nothing. One
 *       that gets a lease again loses its partitions first: timers and steps that
 *       were refused meanwhile count on being found by a new fold.
 *   O6. A batch that Postgres refuses for its data is divided until the run at
 *       fault stands alone; that run alone is refused.
 */
import type { WatchRunResponse } from "../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { DomainError } from "../../lib/errors/domain-error.ts";
import { partitionOf } from "../../lib/ids/partition.ts";
import type { Logger } from "../../lib/log/log.ts";
import { isDataError, isUniqueViolation } from "../../lib/postgres/errors.ts";
import { batchOf, type Committed, committedOf, type Entry, takeBatch } from "./commit-batch.ts";
import { type Order, ordersAfter } from "./control.ts";
import type { Fact, RunEvent } from "./core/event.ts";
import { begin, evolve } from "./core/evolve.ts";
import type { Plan } from "./core/plan.ts";
import { type Run, standAloneTask, type Task } from "./core/run.ts";
import type { Consequences } from "./core/step.ts";
import { isFinalRun } from "./core/task-state.ts";
import { type EventRow, encodeEvent } from "./event-codec.ts";
import type { HistoryStore } from "./history-store.ts";
import type { Claim } from "./partition-store.ts";
import type { StoredProgram } from "./program-env.ts";
import { runRowOf } from "./run-row.ts";

/** What was decided about a run. */
export interface Decision<Result> {
  readonly facts: readonly Fact[];
  /** What the caller gets, after the commit. */
  readonly result: Result;
  /** What to tell workers besides what follows from the facts. */
  readonly orders?: readonly Order[];
  /** The plan of a run that begins, where it is known. */
  readonly plan?: Plan;
  /** The file of a run that begins, with its environment. */
  readonly program?: StoredProgram;
}

export interface OwnerOptions {
  readonly incarnation: string;
  readonly history: Pick<HistoryStore, "append">;
  /** Folds one run from history; undefined when there is none, and "deleted" when there was: its id is not free. */
  readonly load: (runId: string) => Promise<Run | "deleted" | undefined>;
  /** The time that events get: the database's, as far as it is known here. */
  readonly clock: () => Date;
  /** Makes what watchers of the run get, when there are any. Called before the commit, because the records go on changing. */
  readonly newsOf: (run: Run, changed: ReadonlySet<Task>) => WatchRunResponse | undefined;
  /** Called after each commit with what it changed, in the order of decisions. Must not throw. */
  readonly onCommitted: (committed: readonly Committed[]) => void;
  /** Called when records are dropped: nothing that refers to them may be acted on any more. Must not throw. */
  readonly onDropped: (dropped: {
    readonly partitions: ReadonlySet<number>;
    readonly runs: ReadonlySet<Run>;
  }) => void;
  readonly log: Logger;
}

export class Owner {
  readonly #options: OwnerOptions;
  readonly #claims = new Map<number, Claim>();
  readonly #runs = new Map<string, Run>();
  #next: Entry[] = [];
  #arrived = Promise.withResolvers<void>();
  #leaseEndsAt = 0;

  constructor(options: OwnerOptions) {
    this.#options = options;
  }

  /** The partitions that are owned, with their epochs. */
  get claims(): ReadonlyMap<number, Claim> {
    return this.#claims;
  }

  /**
   * The record of a run that has not ended, not to be changed, with what is not
   * committed yet; undefined when there is none here, or none that may be trusted
   * (O5). What it shows is told after a commit, unless no commit can take it back.
   */
  recordOf(runId: string): Run | undefined {
    return performance.now() < this.#leaseEndsAt ? this.#runs.get(runId) : undefined;
  }

  /** Lets the owner answer until then, on the clock of `performance.now()`. What it owned past its lease is lost (O5). */
  extendLease(endsAt: number): void {
    const hasLapsed = performance.now() >= this.#leaseEndsAt;
    if (hasLapsed && this.#claims.size > 0) this.lose(new Set(this.#claims.keys()));
    this.#leaseEndsAt = endsAt;
  }

  /** Starts to own partitions, with their runs that have not ended as they were read after the claim. */
  adopt(claims: readonly Claim[], runs: Iterable<Run>): void {
    for (const claim of claims) this.#claims.set(claim.partition, claim);
    for (const run of runs) if (!isFinalRun(run.state)) this.#runs.set(run.runId, run);
  }

  /** Stops owning partitions; who waits for a commit of theirs is told that the owner is away. */
  lose(partitions: ReadonlySet<number>): void {
    for (const partition of partitions) this.#claims.delete(partition);
    const runs = [...this.#runs.values()].filter((run) => partitions.has(partitionOf(run.runId)));
    this.#drop(partitions, new Set(runs), (entry) => partitions.has(entry.claim.partition));
  }

  /**
   * Decides about a run and answers after the commit. `decide` gets the run, or
   * undefined when there is none; it must be pure, and what it throws reaches the
   * caller. With `isNew` the run is known not to be in history. A deleted run is
   * none, and is not begun again.
   *
   * Throws `OWNER_UNAVAILABLE` when the partition is not owned, or lost meanwhile,
   * and `RUN_NOT_FOUND` instead of beginning a run that was deleted.
   */
  async execute<Result>(
    runId: string,
    decide: (run: Run | undefined, claim: Claim) => Decision<Result>,
    { isNew = false } = {},
  ): Promise<Result> {
    const claim = this.#claimOf(runId);
    let run = this.#runs.get(runId);
    let wasDeleted = false;
    if (run === undefined && !isNew) {
      const loaded = await this.#options.load(runId);
      if (this.#claimOf(runId) !== claim) throw ownerAway(claim.partition);
      wasDeleted = loaded === "deleted";
      run = this.#runs.get(runId) ?? (loaded === "deleted" ? undefined : loaded);
      if (run !== undefined && !isFinalRun(run.state)) this.#runs.set(runId, run);
    }
    let decision: Decision<Result> | undefined;
    let refusal: unknown;
    try {
      const decided = decide(run, claim);
      if (wasDeleted && decided.facts.length > 0) throw runDeleted(runId);
      decision = decided;
    } catch (error) {
      refusal = error;
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const about = { run, runId, claim, decision: decision ?? undecided };
    this.#next.push(this.#apply(about, { resolve, reject }));
    this.#arrived.resolve();
    await promise;
    if (decision === undefined) throw refusal;
    return decision.result;
  }

  /** Commits until `signal` aborts, and then what is left. */
  async commitLoop(signal: AbortSignal): Promise<void> {
    signal.addEventListener("abort", () => this.#arrived.resolve(), { once: true });
    while (!signal.aborted || this.#next.length > 0) {
      if (this.#next.length === 0) await this.#arrived.promise;
      this.#arrived = Promise.withResolvers();
      if (signal.aborted) this.#arrived.resolve();
      const entries = takeBatch(this.#next);
      if (entries.length > 0) await this.#commit(entries);
    }
  }

  /** Whether the records that an entry was decided on are still those of the partition. */
  #isHeld({ claim }: Entry): boolean {
    return this.#claims.get(claim.partition) === claim;
  }

  #claimOf(runId: string): Claim {
    const partition = partitionOf(runId);
    const claim = this.#claims.get(partition);
    if (claim === undefined || performance.now() >= this.#leaseEndsAt) throw ownerAway(partition);
    return claim;
  }

  /** Brings the records up to a decision and makes the entry that commits it. */
  #apply(
    about: { run: Run | undefined; runId: string; claim: Claim; decision: Decision<unknown> },
    { resolve, reject }: Pick<Entry, "resolve" | "reject">,
  ): Entry {
    const { runId, claim, decision } = about;
    let { run } = about;
    const begins = run === undefined && decision.facts.length > 0;
    const shownBefore = run === undefined ? "" : shown(run);
    const at = this.#options.clock();
    const events: RunEvent[] = [];
    const eventRows: EventRow[] = [];
    const ready: Consequences["ready"] = [];
    const changed = new Set<Task>();
    const asked: Consequences["asked"] = [];
    const orders: Order[] = [...(decision.orders ?? [])];
    try {
      for (const fact of decision.facts) {
        const event: RunEvent = { ...fact, seq: (run?.seq ?? 0) + 1, at };
        let step: Consequences;
        if (run === undefined) {
          const begun = begin(runId, event, decision.plan);
          run = begun.run;
          this.#runs.set(runId, run);
          step = begun;
        } else {
          step = evolve(run, event);
        }
        events.push(event);
        eventRows.push(encodeEvent(runId, event));
        ready.push(...step.ready);
        asked.push(...step.asked);
        for (const task of step.changed) changed.add(task);
        orders.push(...ordersAfter(run, event, claim.epoch));
      }
    } catch (error) {
      // The records are changed in part; history is whole.
      this.#options.log.error({ err: error, runId }, "decision not applicable");
      this.lose(new Set([claim.partition]));
      throw error;
    }
    const isShownOtherwise = run !== undefined && shown(run) !== shownBefore;
    const row = isShownOtherwise && run !== undefined ? runRowOf(run) : undefined;
    // A repeated submission brings its file again.
    const program = begins ? decision.program : undefined;
    const news = run !== undefined && events.length > 0 ? this.#options.newsOf(run, changed) : undefined;
    const consequences = { events, eventRows, ready, changed, asked, orders, news, row };
    return { runId, claim, run, begins, program, resolve, reject, ...consequences };
  }

  async #commit(entries: readonly Entry[]): Promise<void> {
    let outcome: "appended" | "fenced";
    try {
      outcome = await this.#options.history.append(batchOf(this.#options.incarnation, entries));
    } catch (error) {
      if (isDataError(error) && !isUniqueViolation(error)) {
        await this.#divide(entries, error);
        return;
      }
      this.#options.log.warn({ err: error, entries: entries.length }, "commit failed");
      outcome = "fenced";
    }
    if (outcome === "fenced") {
      // Those of the next batch were decided on top of these.
      const held = entries.filter((entry) => this.#isHeld(entry));
      this.lose(new Set(held.map((entry) => entry.claim.partition)));
      for (const entry of entries) entry.reject(ownerAway(entry.claim.partition));
      return;
    }
    for (const { row, run, runId } of entries) {
      // By its row, not by the record: that may hold an end that is not committed.
      const hasEnded = row !== undefined && row.ended_at !== null;
      if (hasEnded && this.#runs.get(runId) === run) this.#runs.delete(runId);
    }
    const held = entries.filter((entry) => this.#isHeld(entry));
    this.#options.onCommitted(held.flatMap((entry) => committedOf(entry) ?? []));
    for (const entry of entries) entry.resolve();
  }

  /** Commits the halves of a refused batch, down to the one run whose data is refused. */
  async #divide(entries: readonly Entry[], error: unknown): Promise<void> {
    const runIds = [...new Set(entries.map((entry) => entry.runId))];
    const [first] = entries;
    if (runIds.length > 1) {
      const half = new Set(runIds.slice(0, runIds.length >> 1));
      await this.#commit(entries.filter((entry) => half.has(entry.runId)));
      await this.#commit(entries.filter((entry) => !half.has(entry.runId)));
      return;
    }
    if (first === undefined) return;
    const { runId, run, claim } = first;
    this.#options.log.error({ err: error, runId }, "run refused by the store");
    this.#runs.delete(runId);
    const runs = new Set(entries.flatMap((entry) => entry.run ?? []));
    this.#drop(new Set(), runs, (entry) => entry.runId === runId);
    for (const entry of entries) entry.reject(refusedByStore(runId));
    if (run === undefined || entries.some((entry) => entry.begins)) return;
    const message = "the store refuses an event of this run";
    this.execute(runId, (again) => ({
      facts: again === undefined || isFinalRun(again.state) ? [] : [{ type: "run_refused", message }],
      result: undefined,
    })).catch((thrown: unknown) => {
      this.#options.log.error({ err: thrown, runId, partition: claim.partition }, "refused run not ended");
      // Folded anew, it is watched and handed out again, and refused again.
      this.lose(new Set([claim.partition]));
    });
  }

  #drop(partitions: ReadonlySet<number>, runs: ReadonlySet<Run>, isLost: (entry: Entry) => boolean): void {
    for (const run of runs) if (this.#runs.get(run.runId) === run) this.#runs.delete(run.runId);
    const lost = this.#next.filter(isLost);
    this.#next = this.#next.filter((entry) => !isLost(entry));
    for (const entry of lost) entry.reject(ownerAway(entry.claim.partition));
    this.#options.onDropped({ partitions, runs });
  }
}

/** The refusal of an owner that can not answer for a partition at the moment. */
export function ownerAway(partition: number): DomainError {
  return new DomainError("OWNER_UNAVAILABLE", `partition ${partition} has no reachable owner`, {
    partition: String(partition),
  });
}

function runDeleted(runId: string): DomainError {
  return new DomainError("RUN_NOT_FOUND", `run ${runId} was deleted`, { run_id: runId });
}

function refusedByStore(runId: string): DomainError {
  const message = "holds a value that the store refuses";
  return DomainError.ofFaults([{ path: "", reason: "FIELD_INVALID", message }], { run_id: runId });
}

/** A decision that refuses: nothing changes. */
const undecided: Decision<undefined> = { facts: [], result: undefined };

/** What lists show of a run; when it differs, its row is written. */
function shown(run: Run): string {
  return `${run.state} ${standAloneTask(run)?.state} ${run.isCancelRequested}`;
}
