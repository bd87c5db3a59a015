/** Remembers values for a while, at most so many; the oldest go first. */
export class ShortMemory<Value> {
  readonly #places: number;
  readonly #nowMs: () => number;
  readonly #kept = new Map<string, { readonly value: Value; readonly until: number }>();

  /** `nowMs` is a monotonic clock. */
  constructor(places: number, nowMs = () => performance.now()) {
    this.#places = places;
    this.#nowMs = nowMs;
  }

  /** What was remembered, undefined when nothing was or its time is over. */
  get(key: string): Value | undefined {
    const found = this.#kept.get(key);
    if (found === undefined) return undefined;
    if (found.until > this.#nowMs()) return found.value;
    this.#kept.delete(key);
    return undefined;
  }

  /** Remembers a value for `forMs`, in place of what was remembered before. */
  set(key: string, value: Value, forMs: number): void {
    this.#kept.delete(key);
    this.#kept.set(key, { value, until: this.#nowMs() + forMs });
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > this.#places && oldest !== undefined) this.#kept.delete(oldest);
  }

  /** Remembers it no longer. */
  forget(key: string): void {
    this.#kept.delete(key);
  }
}
