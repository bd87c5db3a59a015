/** Wakes the one loop that waits for it. A ring while nobody waits is kept, once, for the next wait. */
export class Bell {
  #hasRung = false;
  #wake: (() => void) | undefined;

  ring(): void {
    this.#hasRung = true;
    this.#wake?.();
  }

  /** Resolves at a ring, after `timeoutMs` if given, or when `signal` aborts, whichever comes first. */
  async heard(signal: AbortSignal, timeoutMs?: number): Promise<void> {
    if (!this.#hasRung && !signal.aborted) await this.#wait(signal, timeoutMs);
    this.#hasRung = false;
  }

  async #wait(signal: AbortSignal, timeoutMs: number | undefined): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = (): void => resolve();
    const timer = timeoutMs === undefined ? undefined : setTimeout(wake, timeoutMs);
    this.#wake = wake;
    signal.addEventListener("abort", wake);
    await promise;
    signal.removeEventListener("abort", wake);
    clearTimeout(timer);
    this.#wake = undefined;
  }
}
