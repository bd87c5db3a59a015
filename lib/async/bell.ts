/** Wakes the one who waits for it. A ring while nobody waits is kept, once, for the next wait. */
export class Bell {
  #hasRung = false;
  #wake: (() => void) | undefined;

  ring(): void {
    this.#hasRung = true;
    this.#wake?.();
  }

  /** Resolves at a ring, after `maxMs`, or when `signal` aborts, whichever comes first. */
  async heard(maxMs: number, signal?: AbortSignal): Promise<void> {
    if (!this.#hasRung && signal?.aborted !== true) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const wake = (): void => resolve();
      const timer = setTimeout(wake, maxMs);
      this.#wake = wake;
      signal?.addEventListener("abort", wake);
      await promise;
      signal?.removeEventListener("abort", wake);
      clearTimeout(timer);
      this.#wake = undefined;
    }
    this.#hasRung = false;
  }
}
