import type { SimulatedProcess } from "./simulated-process.ts";

/** Something that happens at a moment of virtual time. */
export interface WorldEvent {
  readonly atMs: number;
  /** Breaks ties between events of one moment: first come, first served. */
  readonly order: number;
  /** In whose life it happens; undefined for what lies outside all processes. */
  readonly process: SimulatedProcess | undefined;
  readonly run: () => void;
  isCancelled: boolean;
}

/** Events by their time: a binary heap. */
export class EventQueue {
  readonly #events: WorldEvent[] = [];

  get size(): number {
    return this.#events.length;
  }

  push(event: WorldEvent): void {
    const events = this.#events;
    let at = events.length;
    events.push(event);
    while (at > 0) {
      const parentAt = (at - 1) >> 1;
      const parent = events[parentAt];
      if (parent === undefined || !isBefore(event, parent)) break;
      events[at] = parent;
      at = parentAt;
    }
    events[at] = event;
  }

  /** The earliest event, which stays. */
  peek(): WorldEvent | undefined {
    return this.#events[0];
  }

  /** Takes the earliest event out. */
  pop(): WorldEvent | undefined {
    const events = this.#events;
    const [first] = events;
    const last = events.pop();
    if (first === undefined || last === undefined || events.length === 0) return first;
    let at = 0;
    for (;;) {
      const leftAt = 2 * at + 1;
      const left = events[leftAt];
      if (left === undefined) break;
      const right = events[leftAt + 1];
      const isRight = right !== undefined && isBefore(right, left);
      const child = isRight ? right : left;
      if (!isBefore(child, last)) break;
      events[at] = child;
      at = isRight ? leftAt + 1 : leftAt;
    }
    events[at] = last;
    return first;
  }
}

function isBefore(a: WorldEvent, b: WorldEvent): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
