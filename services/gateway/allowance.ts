/** So many of something at once, and so many in a second in the long run. */
export class Allowance {
  readonly #burst: number;
  readonly #perSecond: number;
  readonly #nowMs: () => number;
  #left: number;
  #countedAt: number;

  /** `nowMs` is a monotonic clock. */
  constructor(
    { burst, perSecond }: { readonly burst: number; readonly perSecond: number },
    nowMs = () => performance.now(),
  ) {
    this.#burst = burst;
    this.#perSecond = perSecond;
    this.#nowMs = nowMs;
    this.#left = burst;
    this.#countedAt = nowMs();
  }

  /** Uses one up; answers false, and changes nothing, when none is left. */
  take(): boolean {
    const now = this.#nowMs();
    this.#left = Math.min(this.#burst, this.#left + ((now - this.#countedAt) / 1_000) * this.#perSecond);
    this.#countedAt = now;
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }

  /** How long it takes until one is left, after a `take` that found none; more than 0. */
  waitMs(): number {
    return Math.max(1, ((1 - this.#left) / this.#perSecond) * 1_000);
  }

  /** Undoes a `take`. */
  giveBack(): void {
    this.#left = Math.min(this.#burst, this.#left + 1);
  }
}
