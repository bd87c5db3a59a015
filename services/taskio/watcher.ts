import type { TaskIOState } from "../../gen/antiphon/internal/v1/task_state_service_pb.ts";
import type { TaskNews } from "../../gen/antiphon/taskio/v1/transcript_pb.ts";
import { DomainError } from "../../lib/errors/domain-error.ts";
import { type Cursor, cursorText } from "./cursor.ts";
import type { Feed, FeedListener } from "./feed.ts";
import type { RecentEntry } from "./recent-entries.ts";
import { endNews, newsBetween, snapshotNews } from "./state-news.ts";
import { isFinal } from "./succession.ts";

/** How many entries are taken over at once. */
const entriesPerTurn = 64;

/** Where a watcher begins. */
export interface WatcherStart {
  readonly state: TaskIOState;
  readonly after: Cursor;
  readonly onNews: () => void;
}

/**
 * One caller's view of one task: what it was told, and so what comes next. First
 * the snapshot, then entries and states, the final state and the end when there
 * is no entry left.
 */
export class Watcher implements FeedListener, Disposable {
  readonly onNews: () => void;
  readonly #feed: Feed;
  #place: Cursor;
  #told: TaskIOState;
  #hasBegun = false;
  #isLive = false;
  #hasEnded = false;

  /** Watches after a place, beginning with the given state. `onNews` is called when `take` may have more. */
  constructor(feed: Feed, { state, after, onNews }: WatcherStart) {
    this.#feed = feed;
    this.#told = state;
    this.#place = after;
    this.onNews = onNews;
    feed.add(this);
  }

  get livePlace(): Cursor | undefined {
    return this.#isLive ? this.#place : undefined;
  }

  /** Whether the end was taken. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /**
   * The next news, none when there is none at the moment. Throws
   * WATCHER_TOO_SLOW when this watcher had caught up and what comes next for it
   * is not kept any more.
   */
  async take(): Promise<readonly TaskNews[]> {
    if (this.#hasEnded) return [];
    const { state, isComplete } = this.#feed;
    if (!this.#hasBegun) {
      this.#hasBegun = true;
      return [snapshotNews(this.#told)];
    }
    const news = isFinal(state.state) ? [] : this.#stateNews(state);
    const entries = await this.#entries();
    for (const entry of entries) news.push(entry.news);
    const last = entries.at(-1);
    if (last !== undefined) this.#place = { attempt: last.attempt, seq: last.seq };
    // One that is behind what is kept has more to come, even if it was not found.
    if (!isComplete || entries.length > 0 || !this.#isLive) return news;
    this.#hasEnded = true;
    return [...this.#stateNews(state), endNews(state)];
  }

  [Symbol.dispose](): void {
    this.#feed.remove(this);
  }

  #stateNews(state: TaskIOState): TaskNews[] {
    const told = this.#told;
    if (told.runSeq >= state.runSeq) return [];
    this.#told = state;
    return newsBetween(told, state);
  }

  async #entries(): Promise<readonly RecentEntry[]> {
    const kept = this.#feed.after(this.#place, entriesPerTurn);
    if (kept !== undefined) {
      this.#isLive = true;
      return kept;
    }
    if (!this.#isLive) return await this.#feed.page(this.#place);
    throw new DomainError(
      "WATCHER_TOO_SLOW",
      `the task writes faster than this watcher reads; it may go on after ${cursorText(this.#place) || "the beginning"}`,
      { task_id: this.#feed.taskId },
    );
  }
}
