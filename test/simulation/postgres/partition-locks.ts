/*
 * Row locks on partitions, as `for share` and `for update` take them: shared
 * ones go together, an exclusive one goes alone, and who waits is served in the
 * order of coming.
 */

type LockMode = "share" | "exclusive";

/** The partitions that a statement locks, and how. */
export interface LockRequest {
  readonly mode: LockMode;
  /** In ascending order, as every statement takes them. */
  readonly partitions: readonly number[];
}

interface Holder {
  readonly mode: LockMode;
  /** Called when the lock is there. */
  readonly granted: () => void;
}

export class PartitionLocks {
  readonly #held = new Map<number, Set<Holder>>();
  readonly #waiting = new Map<number, Holder[]>();

  /**
   * Takes locks one after the other, and calls `locked` when all are there, which
   * may be at once. Answers what gives them back, or gives the wait up.
   */
  take({ mode, partitions }: LockRequest, locked: () => void): () => void {
    const own: { readonly partition: number; readonly holder: Holder }[] = [];
    let isReleased = false;
    const next = (): void => {
      if (isReleased) return;
      const partition = partitions[own.length];
      if (partition === undefined) {
        locked();
        return;
      }
      const holder: Holder = { mode, granted: next };
      own.push({ partition, holder });
      this.#waitingFor(partition).push(holder);
      this.#serve(partition);
    };
    next();
    return () => {
      isReleased = true;
      for (const { partition, holder } of own) {
        this.#heldOf(partition).delete(holder);
        const waiting = this.#waitingFor(partition);
        if (waiting.includes(holder)) waiting.splice(waiting.indexOf(holder), 1);
      }
      for (const { partition } of own) this.#serve(partition);
    };
  }

  #serve(partition: number): void {
    const held = this.#heldOf(partition);
    const waiting = this.#waitingFor(partition);
    for (let first = waiting[0]; first !== undefined; first = waiting[0]) {
      const isFree = held.size === 0 || (first.mode === "share" && ![...held].some(isExclusive));
      if (!isFree) return;
      waiting.shift();
      held.add(first);
      first.granted();
    }
  }

  #heldOf(partition: number): Set<Holder> {
    const held = this.#held.get(partition) ?? new Set();
    this.#held.set(partition, held);
    return held;
  }

  #waitingFor(partition: number): Holder[] {
    const waiting = this.#waiting.get(partition) ?? [];
    this.#waiting.set(partition, waiting);
    return waiting;
  }
}

function isExclusive({ mode }: Holder): boolean {
  return mode === "exclusive";
}
