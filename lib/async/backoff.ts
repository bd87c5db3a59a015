import { delay } from "./delay.ts";

/** Waits ever longer between failures in a row, up to a bound, with jitter so that peers do not return together. */
export class Backoff {
  readonly #firstMs: number;
  readonly #maxMs: number;
  #failures = 0;

  constructor({ firstMs, maxMs }: { firstMs: number; maxMs: number }) {
    this.#firstMs = firstMs;
    this.#maxMs = maxMs;
  }

  /** How many failures there have been in a row. */
  get failures(): number {
    return this.#failures;
  }

  /** Counts a failure and waits for it; ends early when `signal` aborts. */
  async wait(signal?: AbortSignal): Promise<void> {
    const fullMs = Math.min(this.#firstMs * 2 ** this.#failures, this.#maxMs);
    this.#failures += 1;
    await delay(fullMs * (0.5 + Math.random() / 2), signal);
  }

  /** To be called after a success: the next failure waits shortly again. */
  reset(): void {
    this.#failures = 0;
  }
}
