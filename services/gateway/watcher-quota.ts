/** How many may watch one task; room for clients that open a socket for each answer. */
const perTask = 50;

/** How many watchers one client may have. */
const perClient = 200;

/** Who watches which task. */
export interface Watcher {
  readonly clientId: string;
  readonly taskId: string;
}

/** Counts the watchers of one kind in this process, WebSockets or streams of events, so that no task and no client has more than its share. */
export class WatcherQuota {
  readonly #taken = new Map<string, number>();

  /** Takes a place for a watcher, to be disposed of once, with it; undefined when there is none left. */
  take({ clientId, taskId }: Watcher): Disposable | undefined {
    const keys = [`client ${clientId}`, `task ${taskId}`] as const;
    const [client, task] = keys;
    if (this.#count(client) >= perClient || this.#count(task) >= perTask) return undefined;
    for (const key of keys) this.#add(key, 1);
    return {
      [Symbol.dispose]: () => {
        for (const key of keys) this.#add(key, -1);
      },
    };
  }

  #count(key: string): number {
    return this.#taken.get(key) ?? 0;
  }

  #add(key: string, change: 1 | -1): void {
    const count = this.#count(key) + change;
    if (count === 0) this.#taken.delete(key);
    else this.#taken.set(key, count);
  }
}
