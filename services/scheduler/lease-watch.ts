/*
 * When a worker was last heard of about each attempt that it holds.
 *
 *   L1. Only silence counts in which the owner could have heard: between two
 *       ticks the listening clock advances by a tick and a half at most, so a
 *       stalled process does not find everybody dead when it wakes up.
 *   L2. A take-over starts every lease anew.
 */
import type { Run, Task } from "./core/run.ts";

/** An attempt that a worker holds. */
export interface Watched {
  readonly run: Run;
  readonly task: Task;
  readonly workerId: string;
  readonly incarnation: string;
  readonly token: string;
}

/** Clock of an owner that listens; its own, because a stall must not count. */
export class ListeningClock {
  readonly #tickMs: number;
  #lastTickAt = performance.now();
  #listenedMs = 0;

  constructor(tickMs: number) {
    this.#tickMs = tickMs;
  }

  /** Milliseconds listened so far. */
  get now(): number {
    return this.#listenedMs + this.#sinceTickMs(performance.now());
  }

  /** To be called about every `tickMs`. */
  tick(): void {
    const at = performance.now();
    this.#listenedMs += this.#sinceTickMs(at);
    this.#lastTickAt = at;
  }

  #sinceTickMs(at: number): number {
    return Math.min(at - this.#lastTickAt, this.#tickMs * 1.5);
  }
}

export class LeaseWatch {
  readonly #clock: ListeningClock;
  readonly #heardAt = new Map<Task, Watched & { heardAt: number }>();
  readonly #byWorker = new Map<string, Set<Task>>();

  constructor(clock: ListeningClock) {
    this.#clock = clock;
  }

  /** Begins, or begins anew, to count silence about an attempt. */
  watch(watched: Watched): void {
    this.forget(watched.task);
    this.#heardAt.set(watched.task, { ...watched, heardAt: this.#clock.now });
    const held = this.#byWorker.get(watched.workerId) ?? new Set();
    held.add(watched.task);
    this.#byWorker.set(watched.workerId, held);
  }

  /** Notes that the holder was heard of. */
  heard(task: Task): void {
    const watched = this.#heardAt.get(task);
    if (watched !== undefined) watched.heardAt = this.#clock.now;
  }

  /** Stops counting. */
  forget(task: Task): void {
    const watched = this.#heardAt.get(task);
    if (watched === undefined) return;
    this.#heardAt.delete(task);
    const held = this.#byWorker.get(watched.workerId);
    held?.delete(task);
    if (held?.size === 0) this.#byWorker.delete(watched.workerId);
  }

  /** Attempts whose holder had been silent for `leaseMs` at a time of the clock. */
  silent(leaseMs: number, at: number): Watched[] {
    const before = at - leaseMs;
    return [...this.#heardAt.values()].filter((watched) => watched.heardAt <= before);
  }

  /** Attempts that another process of this worker holds. */
  ofFormerProcess(workerId: string, incarnation: string): Watched[] {
    return [...(this.#byWorker.get(workerId) ?? [])].flatMap((task) => {
      const watched = this.#heardAt.get(task);
      return watched === undefined || watched.incarnation === incarnation ? [] : [watched];
    });
  }
}
