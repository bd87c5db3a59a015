/*
 * Does a piece of work once for however many ask for it under the same key.
 *
 *   W1. Who asks while the work goes on waits for that same work, and shares
 *       its result or its error.
 *   W2. The work is aborted when the last of those who wait has given up, and
 *       not before.
 *   W3. A finished work is forgotten: the next who asks starts it again.
 */
export class SharedWork {
  readonly #works = new Map<
    string,
    { readonly done: Promise<void>; waiting: number; readonly end: AbortController }
  >();

  /** Waits for the work under `key`, which `start` begins if nobody has. Rejects at once when `signal` aborts. */
  async run(key: string, start: (signal: AbortSignal) => Promise<void>, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const work = this.#works.get(key) ?? this.#begin(key, start);
    work.waiting += 1;
    const givenUp = Promise.withResolvers<never>();
    const giveUp = () => givenUp.reject(signal?.reason);
    signal?.addEventListener("abort", giveUp);
    try {
      await Promise.race([work.done, givenUp.promise]);
    } finally {
      signal?.removeEventListener("abort", giveUp);
      work.waiting -= 1;
      if (work.waiting === 0) work.end.abort();
    }
  }

  /** Ends all work and waits for its end. */
  async [Symbol.asyncDispose](): Promise<void> {
    const works = [...this.#works.values()];
    for (const work of works) work.end.abort();
    await Promise.allSettled(works.map((work) => work.done));
  }

  #begin(key: string, start: (signal: AbortSignal) => Promise<void>) {
    const end = new AbortController();
    const done = start(end.signal).finally(() => {
      if (this.#works.get(key) === work) this.#works.delete(key);
    });
    // Whoever waits gets the error; when all have given up nobody does, and that is fine.
    done.catch(() => undefined);
    const work = { done, waiting: 0, end };
    this.#works.set(key, work);
    return work;
  }
}
