/*
 * Reads by key, many at a time.
 *
 *   G1. What is asked for while reads are in flight goes into the next one, so a
 *       caller that is alone waits for nothing and a thousand share a few reads.
 *   G2. A value was read after it was asked for: nobody gets what was there
 *       before.
 *   G3. Nobody suffers from another's key: when a read of several fails, each is
 *       read by itself.
 */

/** More than one, so that a long read does not hold up the others; few, so that they are shared. */
const readsAtOnce = 4;

/** So many keys go into one read. */
const maxKeys = 500;

interface Asked<Value> {
  readonly resolve: (value: Value | undefined) => void;
  readonly reject: (error: unknown) => void;
}

export class GatheredReads<Key, Value> {
  readonly #read: (keys: readonly Key[]) => Promise<ReadonlyMap<Key, Value>>;
  #waiting = new Map<Key, Asked<Value>[]>();
  #inFlight = 0;

  /** `read` answers the values that there are. */
  constructor(read: (keys: readonly Key[]) => Promise<ReadonlyMap<Key, Value>>) {
    this.#read = read;
  }

  /** The value of a key, undefined when there is none. Rejects as the read does. */
  async get(key: Key): Promise<Value | undefined> {
    const { promise, resolve, reject } = Promise.withResolvers<Value | undefined>();
    const asked = this.#waiting.get(key);
    if (asked === undefined) this.#waiting.set(key, [{ resolve, reject }]);
    else asked.push({ resolve, reject });
    if (this.#inFlight < readsAtOnce) void this.#readWaiting();
    return await promise;
  }

  /** Never rejects. */
  async #readWaiting(): Promise<void> {
    this.#inFlight += 1;
    while (this.#waiting.size > 0) {
      const batch = new Map([...this.#waiting].slice(0, maxKeys));
      for (const key of batch.keys()) this.#waiting.delete(key);
      await this.#readBatch(batch);
    }
    this.#inFlight -= 1;
  }

  async #readBatch(batch: ReadonlyMap<Key, readonly Asked<Value>[]>): Promise<void> {
    try {
      const values = await this.#read([...batch.keys()]);
      for (const [key, asked] of batch) for (const { resolve } of asked) resolve(values.get(key));
    } catch (error) {
      if (batch.size > 1) {
        await Promise.all([...batch].map((one) => this.#readBatch(new Map([one]))));
        return;
      }
      for (const asked of batch.values()) for (const { reject } of asked) reject(error);
    }
  }
}
