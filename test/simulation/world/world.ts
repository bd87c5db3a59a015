/*
 * Virtual time, and everything that happens in it.
 *
 *   V1. All that waits for something (a timer, the disk, the network, another
 *       process) is an event here. Between two events nothing happens, so their
 *       order, which the seed decides by drawing delays, decides everything.
 *   V2. After an event all promises that it settled run to their next wait before
 *       the next event; they belong to the process of the event. That is why one
 *       process never settles a promise of another directly.
 *   V3. Events of a dead process are dropped; those of a paused one wait for it.
 */
import { createHash } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers";
import { EventQueue, type WorldEvent } from "./event-queue.ts";
import { Random } from "./random.ts";
import type { SimulatedProcess } from "./simulated-process.ts";

/** When the world begins, for wall clocks. */
const epochMs = Date.UTC(2026, 0, 1);

/** How many turns of the event loop are asked for at a time; asking for one by one costs a system call each. */
const turnsAhead = 64;

export class World {
  /** What the processes and the world draw from. */
  readonly random: Random;
  /** The process in whose life the present event happens. */
  current: SimulatedProcess | undefined;
  #nowMs = 0;
  #order = 0;
  #eventCount = 0;
  readonly #queue = new EventQueue();
  readonly #story: string[] | undefined;
  readonly #digest = createHash("sha256");
  #stopped: unknown;

  constructor({ seed, isTold }: { readonly seed: number; readonly isTold: boolean }) {
    this.random = new Random(seed, "world");
    this.#story = isTold ? [] : undefined;
  }

  /** Milliseconds since the world began. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** How many events have happened. */
  get eventCount(): number {
    return this.#eventCount;
  }

  /** What happened, a line each; empty unless it is told. */
  get story(): readonly string[] {
    return this.#story ?? [];
  }

  /** The monotonic clock of the present process. */
  get monotonicMs(): number {
    const { current } = this;
    return current === undefined ? this.#nowMs : (this.#nowMs - current.startedMs) * current.clockRate;
  }

  /** The wall clock of the present process. */
  get wallMs(): number {
    return Math.floor(epochMs + this.#nowMs + (this.current?.wallSkewMs ?? 0));
  }

  /** Has something happen after a while, in the life of a process or outside all of them. */
  after(delayMs: number, run: () => void, process?: SimulatedProcess): WorldEvent {
    const event: WorldEvent = {
      atMs: this.#nowMs + Math.max(0, delayMs),
      order: this.#order,
      process,
      run,
      isCancelled: false,
    };
    this.#order += 1;
    this.#queue.push(event);
    return event;
  }

  /** Stops a process as SIGSTOP does. */
  pause(process: SimulatedProcess): void {
    process.isPaused = true;
  }

  /** Lets a paused process go on: what became due meanwhile happens at once, in its order. */
  resume(process: SimulatedProcess): void {
    process.isPaused = false;
    for (const { run } of process.backlog.splice(0)) this.after(0, run, process);
  }

  /** Has something done as if it were an earlier moment. */
  asOf<Result>(atMs: number, run: () => Result): Result {
    const nowMs = this.#nowMs;
    this.#nowMs = atMs;
    try {
      return run();
    } finally {
      this.#nowMs = nowMs;
    }
  }

  /** Adds a line to the story, when it is told. */
  tell(line: () => string): void {
    if (this.#story === undefined) return;
    const seconds = (this.#nowMs / 1_000).toFixed(4).padStart(9);
    const text = `${seconds}  ${line()}`;
    this.#story.push(text);
    this.#digest.update(text);
  }

  /** A digest of the story; the same for the same seed. */
  digest(): string {
    return this.#digest.copy().update(String(this.#eventCount)).digest("hex").slice(0, 16);
  }

  /** Ends `run` after the present event; with an error, `run` rejects with it. */
  stop(error?: Error): void {
    this.#stopped ??= error ?? true;
  }

  /** Lets time pass until `stop`, until `untilMs`, or until nothing is left to happen. */
  async run(untilMs: number): Promise<void> {
    this.#stopped = undefined;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    let isOver = false;
    const step = (): void => {
      if (isOver) return;
      try {
        if (this.#step(untilMs)) {
          nextTurn(step);
          return;
        }
        isOver = true;
        this.current = undefined;
        if (this.#stopped instanceof Error) reject(this.#stopped);
        else resolve();
      } catch (error) {
        isOver = true;
        this.current = undefined;
        reject(error);
      }
    };
    for (let turn = 0; turn < turnsAhead; turn += 1) nextTurn(step);
    await promise;
  }

  /** One event; false when there is none left to happen. */
  #step(untilMs: number): boolean {
    for (;;) {
      const event = this.#queue.peek();
      if (this.#stopped !== undefined || event === undefined || event.atMs > untilMs) return false;
      this.#queue.pop();
      if (event.isCancelled || event.process?.isDead === true) continue;
      this.#nowMs = event.atMs;
      if (event.process?.isPaused === true) {
        event.process.backlog.push(event);
        continue;
      }
      this.#eventCount += 1;
      this.current = event.process;
      event.run();
      return true;
    }
  }
}
