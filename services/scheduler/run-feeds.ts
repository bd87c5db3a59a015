import type { WatchRunResponse } from "../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { DomainError } from "../../lib/errors/domain-error.ts";
import { partitionOf } from "../../lib/ids/partition.ts";
import { ownerAway } from "./owner.ts";

/** How many changes wait for a watcher before it is dropped. */
const maxWaiting = 10_000;

/** Passes committed changes of runs on to those who watch them here. */
export class RunFeeds {
  readonly #byRun = new Map<string, Set<RunFeed>>();

  /** Whether anybody watches a run. */
  has(runId: string): boolean {
    return this.#byRun.has(runId);
  }

  /** Starts to collect the changes of a run; ends with the feed's disposal. */
  open(runId: string): RunFeed {
    const feeds = this.#byRun.get(runId) ?? new Set();
    this.#byRun.set(runId, feeds);
    const feed = new RunFeed(() => {
      feeds.delete(feed);
      if (feeds.size === 0) this.#byRun.delete(runId);
    });
    feeds.add(feed);
    return feed;
  }

  /** Passes on a committed change; without `news`, that history holds one which was decided before anybody watched. */
  publish(runId: string, news: WatchRunResponse | undefined): void {
    for (const feed of this.#byRun.get(runId) ?? []) feed.push(news);
  }

  /** Ends the feeds of all runs of these partitions: their owner is another from here on. */
  drop(partitions: ReadonlySet<number>): void {
    for (const [runId, feeds] of this.#byRun) {
      if (!partitions.has(partitionOf(runId))) continue;
      for (const feed of feeds) feed.fail(ownerAway(partitionOf(runId)));
    }
  }
}

/** The changes of one run for one watcher. */
export class RunFeed implements Disposable {
  readonly #onDispose: () => void;
  #waiting: (WatchRunResponse | undefined)[] = [];
  #error: DomainError | undefined;
  #arrived = Promise.withResolvers<void>();

  constructor(onDispose: () => void) {
    this.#onDispose = onDispose;
  }

  push(news: WatchRunResponse | undefined): void {
    if (this.#waiting.length >= maxWaiting) {
      this.fail(new DomainError("WATCHER_TOO_SLOW", `more than ${maxWaiting} changes wait to be read`));
      return;
    }
    this.#waiting.push(news);
    this.#arrived.resolve();
  }

  fail(error: DomainError): void {
    this.#error ??= error;
    this.#arrived.resolve();
  }

  /** The changes that came since the last call, undefined for one that is to be read from history; waits for some until `signal` aborts, then answers none. Throws when the feed failed. */
  async next(signal: AbortSignal): Promise<(WatchRunResponse | undefined)[]> {
    const stop = () => this.#arrived.resolve();
    signal.addEventListener("abort", stop, { once: true });
    try {
      if (this.#waiting.length === 0 && this.#error === undefined && !signal.aborted)
        await this.#arrived.promise;
    } finally {
      signal.removeEventListener("abort", stop);
    }
    this.#arrived = Promise.withResolvers();
    if (this.#error !== undefined) throw this.#error;
    const news = this.#waiting;
    this.#waiting = [];
    return news;
  }

  [Symbol.dispose](): void {
    this.#onDispose();
  }
}
