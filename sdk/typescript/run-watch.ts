/*
 * Many runs, watched over one stream at a time, which is opened again where it
 * broke.
 *
 *   W1. Of each run comes first how it stands, then every change once and in
 *       order, however often the stream breaks: each is taken up after the last
 *       `seq` seen of it.
 *   W2. The iteration ends when every run has ended. Otherwise it throws: what
 *       can not be resumed at once, an outage after `giveUpAfterMs` without any
 *       news.
 *   W3. A run that is added opens the stream anew with all that have not ended;
 *       by W1 nothing of the others is lost or doubled.
 *   W4. A run that may be missing never ends the watch. It is left out while
 *       there is none, looked for now and then (at first after half a second, at
 *       most after ten), and holds up no end.
 */
import { type Client, Code, ConnectError } from "@connectrpc/connect";
import { type Run, RunState } from "../../gen/antiphon/scheduler/v1/run_pb.ts";
import type {
  SchedulerService,
  WatchRunResponse,
  WatchRunResponse_RunChange,
} from "../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { Patience } from "./patience.ts";
import { mayResume, refusalOf } from "./refusal.ts";

const defaultGiveUpAfterMs = 60_000;

/** So many runs that have not ended may be watched at once. */
const mostRuns = 100;

/** After so long a run that was missing is looked for again; each time that it still is, twice as long. */
const firstLookMs = 500;
const longestLookMs = 10_000;

/** What happens to runs while they are watched. */
export type RunEvent =
  | {
      readonly kind: "snapshot";
      readonly runId: string;
      /** With its tasks; comes first. */
      readonly run: Run;
    }
  | {
      readonly kind: "change";
      readonly runId: string;
      /** The tasks that changed, without outputs, and the run's state after it. */
      readonly change: WatchRunResponse_RunChange;
    }
  | {
      readonly kind: "reconnecting";
      /** Why the connection broke. */
      readonly error: unknown;
    }
  | { readonly kind: "reconnected" };

export interface WatchRunOptions {
  readonly signal?: AbortSignal;
  /** How long an outage is sat out; default 60 s. */
  readonly giveUpAfterMs?: number;
}

/** Whether nothing will happen to a run in this state any more. */
export function isFinalRun(state: RunState): boolean {
  return state === RunState.COMPLETED || state === RunState.FAILED || state === RunState.CANCELLED;
}

/** A watch of runs, to be iterated once. */
export class RunWatch implements AsyncIterable<RunEvent> {
  readonly #scheduler: Pick<Client<typeof SchedulerService>, "watchRun">;
  readonly #signal: AbortSignal;
  readonly #patience: Patience;
  /** The last `seq` seen of each run that has not ended. */
  readonly #afterSeq = new Map<string, number>();
  readonly #known = new Set<string>();
  /** Runs of which there may be none, until there is news of them. */
  readonly #mayBeMissing = new Set<string>();
  /** Those of them that are to be looked for again. */
  readonly #missing = new Set<string>();
  readonly #givenUp = new Set<string>();
  #lookMs = firstLookMs;
  #stream = new AbortController();
  #broken = false;

  /** Throws a RangeError for more than 100 runs. */
  constructor(
    scheduler: Pick<Client<typeof SchedulerService>, "watchRun">,
    runIds: readonly string[],
    { signal = new AbortController().signal, giveUpAfterMs = defaultGiveUpAfterMs }: WatchRunOptions = {},
  ) {
    this.#scheduler = scheduler;
    this.#signal = signal;
    this.#patience = new Patience(giveUpAfterMs);
    for (const runId of runIds) if (!this.add(runId)) throw new RangeError(`more than ${mostRuns} runs`);
  }

  /**
   * Watches another run from how it stands; no news when it is watched already.
   * False when 100 runs that have not ended are watched. One that `mayBeMissing`
   * is looked for again while there is none, until `giveUp` is called for it.
   */
  add(runId: string, { mayBeMissing = false }: { readonly mayBeMissing?: boolean } = {}): boolean {
    if (this.#known.has(runId)) return true;
    if (this.#afterSeq.size >= mostRuns) return false;
    this.#known.add(runId);
    this.#afterSeq.set(runId, 0);
    if (mayBeMissing) {
      this.#mayBeMissing.add(runId);
      this.#lookMs = firstLookMs;
    }
    this.#stream.abort();
    return true;
  }

  /** Looks no more for a run that is missing. A run that there is goes on being watched. */
  giveUp(runId: string): void {
    this.#missing.delete(runId);
    this.#givenUp.add(runId);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<RunEvent> {
    while (this.#afterSeq.size > 0) {
      this.#stream = new AbortController();
      const isRenewed = this.#stream.signal;
      try {
        yield* this.#events(AbortSignal.any([this.#signal, isRenewed]));
        if (this.#afterSeq.size > 0 && !isRenewed.aborted)
          throw new ConnectError("the stream ended early", Code.Unavailable);
      } catch (thrown) {
        if (this.#signal.aborted) throw thrown;
        if (isRenewed.aborted || this.#setAside(thrown)) continue;
        if (!mayResume(thrown)) throw thrown;
        if (!this.#broken) yield { kind: "reconnecting", error: thrown };
        this.#broken = true;
        if (!(await this.#patience.pause(this.#signal))) throw thrown;
      }
    }
  }

  /** What one stream brings. */
  async *#events(signal: AbortSignal): AsyncGenerator<RunEvent> {
    const runs = [...this.#afterSeq].map(([runId, afterSeq]) => ({ runId, afterSeq }));
    const looking = this.#missing.size === 0 ? undefined : setTimeout(() => this.#lookAgain(), this.#lookMs);
    try {
      for await (const response of this.#scheduler.watchRun({ runs }, { signal })) {
        this.#patience.reset();
        if (this.#broken) yield { kind: "reconnected" };
        this.#broken = false;
        const event = this.#taken(response);
        if (event !== undefined) yield event;
      }
    } finally {
      clearTimeout(looking);
    }
  }

  /** Leaves out the run that is missing, when it may be (W4); false when something else was thrown. */
  #setAside(thrown: unknown): boolean {
    const { reason, metadata } = refusalOf(thrown);
    const runId = metadata["run_id"] ?? "";
    if (reason !== "RUN_NOT_FOUND" || !this.#mayBeMissing.has(runId)) return false;
    this.#afterSeq.delete(runId);
    if (!this.#givenUp.has(runId)) this.#missing.add(runId);
    return true;
  }

  #lookAgain(): void {
    if (this.#missing.size === 0) return;
    this.#lookMs = Math.min(this.#lookMs * 2, longestLookMs);
    for (const runId of this.#missing) {
      if (this.#afterSeq.size >= mostRuns) break;
      this.#missing.delete(runId);
      this.#afterSeq.set(runId, 0);
    }
    this.#stream.abort();
  }

  #taken({ runId, seq, news }: WatchRunResponse): RunEvent | undefined {
    if (news.case !== "snapshot" && news.case !== "change") return undefined;
    this.#mayBeMissing.delete(runId);
    if (isFinalRun(news.value.state)) this.#afterSeq.delete(runId);
    else this.#afterSeq.set(runId, seq);
    if (news.case === "snapshot") return { kind: "snapshot", runId, run: news.value };
    return { kind: "change", runId, change: news.value };
  }
}
