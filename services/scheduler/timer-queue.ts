import { type NextTimer, nextTimerOf } from "./core/next-timer.ts";
import type { Run, Task } from "./core/run.ts";

/** The timer of a task that is due next. */
export interface SetTimer {
  readonly run: Run;
  readonly task: Task;
  readonly attempt: number;
  readonly timer: NextTimer;
}

/** So many stopped timers are not worth leaving out. */
const fewStopped = 256;

/** The timers of the tasks owned here, soonest first: a binary heap in which a timer that was stopped stays until it comes up, or most are such. */
export class TimerQueue {
  #heap: SetTimer[] = [];
  readonly #current = new Map<Task, SetTimer>();

  /** How many timers are held, those included that were stopped: at most twice as many as are set, and a few hundred. */
  get size(): number {
    return this.#heap.length;
  }

  /** When the soonest timer is due; undefined when none is set. */
  get nextAt(): Date | undefined {
    this.#dropStopped();
    return this.#heap[0]?.timer.at;
  }

  /** Takes over what a task's record says: sets its timer, sets it anew, or stops it. */
  follow(run: Run, task: Task): void {
    const { attempt } = task;
    const timer = nextTimerOf(task);
    const known = this.#current.get(task);
    if (timer === undefined) {
      if (this.#current.delete(task)) this.#leaveOutStopped();
      return;
    }
    if (known?.attempt === attempt && isSame(known.timer, timer)) return;
    const set: SetTimer = { run, task, attempt, timer };
    this.#current.set(task, set);
    this.#heap.push(set);
    this.#rise(this.#heap.length - 1);
    this.#leaveOutStopped();
  }

  /** Sets a timer that came up again, unless its task has another one by now. */
  repeat(timer: SetTimer): void {
    if (!this.#current.has(timer.task)) this.follow(timer.run, timer.task);
  }

  /** Stops the timers of these runs. */
  drop(runs: ReadonlySet<Run>): void {
    for (const run of runs) for (const task of run.tasks) this.#current.delete(task);
    this.#leaveOutStopped();
  }

  /** Takes out what is due at a time, soonest first. */
  takeDue(now: Date): SetTimer[] {
    const due: SetTimer[] = [];
    for (let next = this.nextAt; next !== undefined && next <= now; next = this.nextAt) {
      const timer = this.#pop();
      if (timer === undefined) break;
      this.#current.delete(timer.task);
      due.push(timer);
    }
    return due;
  }

  /** Keeps those that are set when most are not: a time limit of a day would hold a run for a day that ended at once. */
  #leaveOutStopped(): void {
    if (this.#heap.length <= 2 * this.#current.size + fewStopped) return;
    // In their order they are a heap.
    this.#heap = [...this.#current.values()].sort((a, b) => a.timer.at.getTime() - b.timer.at.getTime());
  }

  #dropStopped(): void {
    for (let [first] = this.#heap; first !== undefined; [first] = this.#heap) {
      if (this.#current.get(first.task) === first) return;
      this.#pop();
    }
  }

  #pop(): SetTimer | undefined {
    const [first] = this.#heap;
    const last = this.#heap.pop();
    if (last !== undefined && this.#heap.length > 0) {
      this.#heap[0] = last;
      this.#sink(0);
    }
    return first;
  }

  #rise(from: number): void {
    for (let index = from; index > 0; ) {
      const parent = (index - 1) >> 1;
      if (!this.#isBefore(index, parent)) return;
      this.#swap(index, parent);
      index = parent;
    }
  }

  #sink(from: number): void {
    for (let index = from; ; ) {
      const left = 2 * index + 1;
      const right = left + 1;
      let first = index;
      if (this.#isBefore(left, first)) first = left;
      if (this.#isBefore(right, first)) first = right;
      if (first === index) return;
      this.#swap(index, first);
      index = first;
    }
  }

  #isBefore(index: number, other: number): boolean {
    const [a, b] = [this.#heap[index], this.#heap[other]];
    return a !== undefined && b !== undefined && a.timer.at < b.timer.at;
  }

  #swap(index: number, other: number): void {
    const [a, b] = [this.#heap[index], this.#heap[other]];
    if (a === undefined || b === undefined) return;
    this.#heap[index] = b;
    this.#heap[other] = a;
  }
}

function isSame(a: NextTimer, b: NextTimer): boolean {
  if (a.kind !== b.kind || a.at.getTime() !== b.at.getTime()) return false;
  return a.kind !== "prompt" || b.kind !== "prompt" || a.promptId === b.promptId;
}
