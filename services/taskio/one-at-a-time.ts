/**
 * Runs a piece of work whenever it is asked for, one run at a time. What is asked
 * for during a run is done by one more run after it. A run that fails is told to
 * `onError`, and waits to be asked for again.
 */
export class OneAtATime {
  readonly #work: () => Promise<void>;
  readonly #onError: (error: unknown) => void;
  #running: Promise<void> | undefined;
  #isAskedFor = false;

  constructor(work: () => Promise<void>, onError: (error: unknown) => void) {
    this.#work = work;
    this.#onError = onError;
  }

  /** Asks for a run that begins from here on. */
  ask(): void {
    this.#isAskedFor = true;
    this.#running ??= this.#run();
  }

  /** Resolves when nothing runs. */
  async settled(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#isAskedFor) {
      this.#isAskedFor = false;
      await this.#work().catch(this.#onError);
    }
    this.#running = undefined;
  }
}
