import type { TaskIOState } from "../../gen/antiphon/internal/v1/task_state_service_pb.ts";
import type { TaskNews } from "../../gen/antiphon/taskio/v1/transcript_pb.ts";
import { Bell } from "../../lib/async/bell.ts";
import { DomainError } from "../../lib/errors/domain-error.ts";
import type { Cursor } from "./cursor.ts";
import type { Feed } from "./feed.ts";
import { heartbeat } from "./state-news.ts";
import { Watcher } from "./watcher.ts";

/** One caller's view of the tasks that it watches over one stream. To be disposed of when the stream ends. */
export class Watching implements Disposable {
  readonly #watchers: readonly Watcher[];
  readonly #heartbeatMs: number;
  readonly #onDispose: () => void;
  readonly #bell = new Bell();
  #saidAtMs = performance.now();
  #isClosed = false;

  constructor(
    tasks: readonly { readonly feed: Feed; readonly state: TaskIOState; readonly after: Cursor }[],
    { heartbeatMs, onDispose }: { readonly heartbeatMs: number; readonly onDispose: () => void },
  ) {
    this.#watchers = tasks.map(
      ({ feed, ...start }) => new Watcher(feed, { ...start, onNews: () => this.#bell.ring() }),
    );
    this.#heartbeatMs = heartbeatMs;
    this.#onDispose = onDispose;
  }

  /** Whether the end of every task was taken. */
  get hasEnded(): boolean {
    return this.#watchers.every((watcher) => watcher.hasEnded);
  }

  /**
   * What there is to say at the moment: news, a heartbeat when there was nothing
   * to say for long, or nothing. Throws WATCHER_TOO_SLOW, and SERVICE_UNAVAILABLE
   * when taskio is shutting down.
   */
  async take(): Promise<readonly TaskNews[]> {
    const news: TaskNews[] = [];
    for (const watcher of this.#watchers) {
      if (this.#isClosed) throw new DomainError("SERVICE_UNAVAILABLE", "taskio is shutting down");
      news.push(...(await watcher.take()));
    }
    const nowMs = performance.now();
    if (news.length === 0 && nowMs - this.#saidAtMs >= this.#heartbeatMs) news.push(heartbeat);
    if (news.length > 0) this.#saidAtMs = nowMs;
    return news;
  }

  /** Resolves when there may be more to take, or when `signal` aborts. */
  async wait(signal: AbortSignal, maxMs: number = Infinity): Promise<void> {
    const untilHeartbeatMs = this.#heartbeatMs - (performance.now() - this.#saidAtMs);
    await this.#bell.heard(signal, Math.max(1, Math.min(untilHeartbeatMs, maxMs)));
  }

  /** Ends a wait: something that is not news has come. */
  ring(): void {
    this.#bell.ring();
  }

  /** Lets `take` throw from here on. */
  close(): void {
    this.#isClosed = true;
    this.#bell.ring();
  }

  [Symbol.dispose](): void {
    for (const watcher of this.#watchers) watcher[Symbol.dispose]();
    this.#onDispose();
  }
}
