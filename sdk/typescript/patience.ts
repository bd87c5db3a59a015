import { setTimeout } from "node:timers/promises";

const firstPauseMs = 100;
const longestPauseMs = 3_000;

/** How long to go on trying after something failed, and how long to wait in between. */
export class Patience {
  readonly #limitMs: number;
  #failingSince: number | undefined;
  #pauseMs = firstPauseMs;

  /** `limitMs`: for how long nothing may succeed before it is given up. */
  constructor(limitMs: number) {
    this.#limitMs = limitMs;
  }

  /** Waits before the next try after a failure; answers false when it is time to give up, or when the signal aborts. */
  async pause(signal: AbortSignal): Promise<boolean> {
    this.#failingSince ??= performance.now();
    if (performance.now() - this.#failingSince + this.#pauseMs > this.#limitMs) return false;
    // Jitter, so that clients that lost one server do not return in step.
    const pauseMs = this.#pauseMs * (0.5 + Math.random() / 2);
    this.#pauseMs = Math.min(this.#pauseMs * 2, longestPauseMs);
    await setTimeout(pauseMs, undefined, { signal }).catch(() => undefined);
    return !signal.aborted;
  }

  /** To be called when something succeeded. */
  reset(): void {
    this.#failingSince = undefined;
    this.#pauseMs = firstPauseMs;
  }
}
