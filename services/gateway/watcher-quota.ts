/** How many sockets may watch one task; room for clients that open one for each answer. */
const perTask = 50;

/** How many sockets one client may have. */
const perClient = 200;

/** Who opens a socket, for what. */
export interface SocketHolder {
  readonly clientId: string;
  readonly taskId: string;
}

/** Counts the sockets of this process, so that no task and no client has more than its share. */
export class SocketQuota {
  readonly #taken = new Map<string, number>();

  /** Takes a place for a socket, to be disposed of with it; undefined when there is none left. */
  take({ clientId, taskId }: SocketHolder): Disposable | undefined {
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
