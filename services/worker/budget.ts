/**
 * Bounds how many bytes are kept in memory, by making producers wait.
 *
 * A charge is never refused: what was read has to go somewhere. A producer waits
 * for room before it reads more, so the bound is exceeded by one piece of each
 * producer at most. A budget may be part of a larger one; there is room only
 * where both have it.
 */
export class Budget {
  readonly #limitBytes: number;
  readonly #whole: Budget | undefined;
  readonly #waiting = new Set<() => void>();
  #usedBytes = 0;

  constructor(limitBytes: number, whole?: Budget) {
    this.#limitBytes = limitBytes;
    this.#whole = whole;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  charge(bytes: number): void {
    this.#usedBytes += bytes;
    this.#whole?.charge(bytes);
  }

  release(bytes: number): void {
    this.#usedBytes -= bytes;
    this.#whole?.release(bytes);
    if (!this.#isFull) for (const wake of this.#waiting) wake();
  }

  /** Resolves once there is room, or when `signal` aborts. */
  async untilRoom(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && this.#isFull) await this.#released(signal);
    if (this.#whole !== undefined && !signal.aborted) await this.#whole.untilRoom(signal);
  }

  get #isFull(): boolean {
    return this.#usedBytes >= this.#limitBytes;
  }

  async #released(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = (): void => resolve();
    this.#waiting.add(wake);
    signal.addEventListener("abort", wake);
    await promise;
    signal.removeEventListener("abort", wake);
    this.#waiting.delete(wake);
  }
}
