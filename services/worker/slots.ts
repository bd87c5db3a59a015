import { Bell } from "../../lib/async/bell.ts";

/** How many things of one kind are done at once, and the loops that wait to do more. */
export class Slots {
  readonly total: number;
  readonly #changed = new Bell();
  #used = 0;

  constructor(total: number) {
    this.total = total;
  }

  get free(): number {
    return this.total - this.#used;
  }

  /** Uses one; there need not be a free one. */
  use(): void {
    this.#used += 1;
  }

  release(): void {
    this.#used -= 1;
    this.#changed.ring();
  }

  /** Resolves when one is free, or when `signal` aborts. */
  async untilFree(signal: AbortSignal): Promise<void> {
    while (this.free <= 0 && !signal.aborted) await this.#changed.heard(signal);
  }
}
