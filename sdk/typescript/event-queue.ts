/** Between one that finds events and one that takes them. */
export class EventQueue<Event> {
  readonly #events: Event[] = [];
  #outcome: { readonly error?: unknown } | undefined;
  #bell = Promise.withResolvers<void>();

  /** How many events wait to be taken. */
  get size(): number {
    return this.#events.length;
  }

  push(event: Event): void {
    this.#events.push(event);
    this.ring();
  }

  /** Nothing more will come; `outcome.error`, if there is one, is thrown after the last event. */
  finish(outcome: { readonly error?: unknown }): void {
    this.#outcome = outcome;
    this.ring();
  }

  /** Resolves with the next push, taking or ring. */
  change(): Promise<void> {
    return this.#bell.promise;
  }

  /** Wakes whoever waits for a change. */
  ring(): void {
    const { resolve } = this.#bell;
    this.#bell = Promise.withResolvers<void>();
    resolve();
  }

  /** Takes every event, in order, to the end. */
  async *take(): AsyncGenerator<Event> {
    for (;;) {
      const event = this.#events.shift();
      if (event !== undefined) {
        this.ring();
        yield event;
      } else if (this.#outcome === undefined) {
        await this.#bell.promise;
      } else if ("error" in this.#outcome) {
        throw this.#outcome.error;
      } else {
        return;
      }
    }
  }
}
