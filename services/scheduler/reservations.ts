/*
 * Places for submissions that are limited: at most so many active tasks of a
 * client, or none with the same key.
 *
 *   P1. The owner of the run takes the place before it begins the run, with a lock
 *       for the client; so two submissions of one client, by whatever replicas,
 *       see each other's place.
 *   P2. A place counts while its run is active. Before the run is stored it counts
 *       as long as the partition's epoch is the one under which it was taken, and
 *       the run begins under that epoch alone. So a place that stopped to count
 *       can bring no run: the commit would be refused.
 *   P3. An owner that dies, or loses its partition, leaves places that count until
 *       the next one raises the epoch. One that goes on gives back, by and by,
 *       places of its partitions that have no run which goes on and that it is not
 *       about to use. A former owner gives back none that was taken after its time.
 *   P4. A repeat of a request has the place of the first.
 */
import { randomUUID } from "node:crypto";
import { Semaphore } from "../../lib/async/semaphore.ts";
import { DomainError } from "../../lib/errors/domain-error.ts";
import { ownerAway } from "./owner.ts";
import type { Claim } from "./partition-store.ts";
import type { Reservation, ReservationStore } from "./reservation-store.ts";

/** How many places are taken at once, so that submissions which wait for each other leave connections to others. */
const concurrency = 2;

/** How many places are given back at once. */
const releasedPerTurn = 500;

export interface ReservationsOptions {
  readonly incarnation: string;
  readonly store: ReservationStore;
}

export class Reservations {
  readonly #options: ReservationsOptions;
  readonly #turns = new Semaphore(concurrency);
  /** Runs that are about to begin, each as often as somebody is at it. */
  readonly #beginning = new Map<string, number>();

  constructor(options: ReservationsOptions) {
    this.#options = options;
  }

  /**
   * Takes a place under a claim, and begins the run under it. Throws `TASK_LIMIT`
   * and `TASK_ACTIVE` when there is none, and `OWNER_UNAVAILABLE` when the claim is
   * lost.
   */
  async during(
    reservation: Omit<Reservation, "token">,
    claim: Claim,
    begin: () => Promise<void>,
  ): Promise<void> {
    const { runId, maxActive } = reservation;
    const { incarnation, store } = this.#options;
    this.#count(runId, 1);
    try {
      const token = randomUUID();
      const reserved = await this.#inTurn(async () => {
        return await store.reserve({ ...reservation, token }, { incarnation, claim });
      });
      switch (reserved.kind) {
        case "reserved":
          return await begin();
        case "fenced":
          throw ownerAway(claim.partition);
        case "active":
          throw new DomainError("TASK_ACTIVE", `task ${reserved.taskId} with the same key has not ended`, {
            task_id: reserved.taskId,
            state: reserved.state,
          });
        case "full":
          throw new DomainError("TASK_LIMIT", `${maxActive} tasks have not ended`, {
            limit: String(maxActive),
          });
      }
    } finally {
      this.#count(runId, -1);
    }
  }

  /** Gives back places of partitions owned by these claims that nothing uses any more; says whether there may be more. */
  async release(claims: readonly Claim[]): Promise<boolean> {
    const { store } = this.#options;
    const idle = await store.idle(claims, releasedPerTurn);
    // Looked at after they were read: what is about to begin since then has another token.
    const over = idle.filter(({ runId }) => !this.#beginning.has(runId));
    if (over.length > 0) await store.release(over);
    return over.length === releasedPerTurn;
  }

  async #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    using _place = await this.#turns.place();
    return await work();
  }

  #count(runId: string, change: 1 | -1): void {
    const count = (this.#beginning.get(runId) ?? 0) + change;
    if (count === 0) this.#beginning.delete(runId);
    else this.#beginning.set(runId, count);
  }
}
