/**
 * Wakes those who wait for it, all of them at once. A ring while nobody waits is
 * kept, once, for the next wait.
 */
export class Bell {
  #hasRung = false;
  readonly #waiting = new Set<() => void>();

  ring(): void {
    this.#hasRung = this.#waiting.size === 0;
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  /** Resolves at a ring, after `maxMs` if given, or when `signal` aborts, whichever comes first. */
  async heard(signal: AbortSignal, maxMs?: number): Promise<void> {
    if (!this.#hasRung && !signal.aborted) await this.#wait(signal, maxMs);
    else this.#hasRung = false;
  }

  async #wait(signal: AbortSignal, maxMs: number | undefined): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = (): void => resolve();
    const timer = maxMs === undefined ? undefined : setTimeout(wake, maxMs);
    this.#waiting.add(wake);
    signal.addEventListener("abort", wake);
    await promise;
    signal.removeEventListener("abort", wake);
    clearTimeout(timer);
    this.#waiting.delete(wake);
  }
}
