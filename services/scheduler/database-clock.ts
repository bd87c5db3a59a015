/** The database's time, as far as it is known here: read now and then, and carried on by the process's monotonic clock. Never goes back. */
export class DatabaseClock {
  #base = Date.now() - performance.now();
  #last = 0;

  /** Sets the clock by what the database said at a moment of `performance.now()`. */
  set(databaseTime: Date, readAt: number): void {
    this.#base = databaseTime.getTime() - readAt;
  }

  now(): Date {
    this.#last = Math.max(this.#last, Math.floor(this.#base + performance.now()));
    return new Date(this.#last);
  }
}
