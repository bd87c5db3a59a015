import type { TaskIOState } from "../../gen/antiphon/internal/v1/task_state_service_pb.ts";
import type { Cursor } from "./cursor.ts";
import { Feed, type FeedNeeds } from "./feed.ts";
import { Watching } from "./watching.ts";

/** What the feeds of a process work with. */
export interface FeedsNeeds extends FeedNeeds {
  /** After this long without news a watcher is told that the stream lives. */
  readonly heartbeatMs: number;
}

/** All watched tasks of this process: one feed for each, as long as somebody watches it. */
export class Feeds {
  readonly #needs: FeedsNeeds;
  readonly #feeds = new Map<string, Feed>();
  readonly #watchings = new Set<Watching>();
  #isClosed = false;

  constructor(needs: FeedsNeeds) {
    this.#needs = needs;
  }

  /** How many tasks are watched, and over how many streams. */
  get load(): { readonly feeds: number; readonly watchings: number } {
    return { feeds: this.#feeds.size, watchings: this.#watchings.size };
  }

  /** Watches tasks, given as history has them, each after a place. The caller disposes of what it gets. */
  watch(tasks: readonly { readonly state: TaskIOState; readonly after: Cursor }[]): Watching {
    const watched = tasks.map((task) => ({ ...task, feed: this.#feed(task.state) }));
    const watching: Watching = new Watching(watched, {
      heartbeatMs: this.#needs.heartbeatMs,
      onDispose: () => {
        this.#watchings.delete(watching);
        for (const { feed } of watched) this.#closeUnwatched(feed);
      },
    });
    this.#watchings.add(watching);
    if (this.#isClosed) watching.close();
    return watching;
  }

  /** Says that a task may have news. */
  wake(taskId: string): void {
    this.#feeds.get(taskId)?.wake();
  }

  /** Looks at every watched task: for what no wake told. Rejects when the archive can not be asked; the looks are done all the same. */
  async lookAtAll(): Promise<void> {
    if (this.#feeds.size === 0) return;
    try {
      const heads = await this.#needs.store.heads([...this.#feeds.keys()]);
      for (const [taskId, head] of heads) this.#feeds.get(taskId)?.archivedUpTo(head);
    } finally {
      for (const feed of this.#feeds.values()) feed.wake();
    }
  }

  /** Ends all watching, from here on too, and resolves when nothing is read any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const watching of this.#watchings) watching.close();
    await Promise.all([...this.#feeds.values()].map((feed) => feed.settled()));
  }

  #closeUnwatched(feed: Feed): void {
    if (feed.listeners === 0 && this.#feeds.get(feed.taskId) === feed) this.#feeds.delete(feed.taskId);
  }

  #feed(state: TaskIOState): Feed {
    const known = this.#feeds.get(state.taskId);
    if (known !== undefined) {
      known.offer(state);
      return known;
    }
    const feed = new Feed(state, this.#needs);
    this.#feeds.set(state.taskId, feed);
    return feed;
  }
}
