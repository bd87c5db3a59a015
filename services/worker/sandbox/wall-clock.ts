import type { PausableClock } from "./sandbox.ts";

/** A Node timer cannot wait longer; a longer wait is cut in pieces. */
const longestTimerMs = 2 ** 31 - 1;

/** Counts wall time by the monotonic clock, except while paused, and calls `onExpired` once when `limitMs` is used up. */
export class WallClock implements PausableClock {
  readonly #limitMs: number;
  readonly #onExpired: () => void;
  #countedMs = 0;
  #countingSince: number | undefined;
  #pauses = 0;
  #state: "new" | "running" | "over" = "new";
  #timer: NodeJS.Timeout | undefined;

  constructor(limitMs: number, onExpired: () => void) {
    this.#limitMs = limitMs;
    this.#onExpired = onExpired;
  }

  get elapsedMs(): number {
    const running = this.#countingSince === undefined ? 0 : performance.now() - this.#countingSince;
    return this.#countedMs + running;
  }

  /** Begins to count, unless paused. */
  start(): void {
    if (this.#state !== "new") return;
    this.#state = "running";
    this.#count();
  }

  pause(): void {
    this.#pauses += 1;
    this.#hold();
  }

  resume(): void {
    if (this.#pauses === 0) return;
    this.#pauses -= 1;
    this.#count();
  }

  /** Ends the count for good; `onExpired` is not called any more. */
  stop(): void {
    this.#hold();
    this.#state = "over";
  }

  #hold(): void {
    clearTimeout(this.#timer);
    this.#countedMs = this.elapsedMs;
    this.#countingSince = undefined;
  }

  #count(): void {
    if (this.#state !== "running" || this.#pauses > 0 || this.#countingSince !== undefined) return;
    this.#countingSince = performance.now();
    this.#arm();
  }

  #arm(): void {
    const leftMs = this.#limitMs - this.elapsedMs;
    if (leftMs <= 0) {
      this.stop();
      this.#onExpired();
      return;
    }
    this.#timer = setTimeout(() => this.#arm(), Math.min(leftMs, longestTimerMs));
  }
}
