/*
 * The broker that all processes share: the in-memory broker of production, of
 * which contents can be lost.
 *
 *   R1. Whatever changes it is kept in a log, too, so that a stale replica is
 *       what comes of the log up to some moment.
 *   R2. Reads that wait are looked at again whenever something is appended.
 */
import { type Entry, type EntryId, partsOf } from "../../../lib/broker/broker.ts";
import { MemoryBroker } from "../../../lib/broker/memory-broker.ts";
import type { World } from "../world/world.ts";

interface Change {
  readonly atMs: number;
  readonly make: (broker: MemoryBroker) => Promise<unknown>;
}

/** A read that waits for entries. */
export interface Waiting {
  /** Whether what it is given is gone from its stream. */
  readonly isTaking: boolean;
  /** Whether nobody is there any more to be answered. */
  readonly isGone: () => boolean;
  /** Takes what there is. */
  readonly look: (broker: MemoryBroker) => Promise<Entry[]>;
  /** Told once: with entries, or with none when its time is over. */
  readonly answer: (entries: Entry[]) => void;
  /** Told once, in place of an answer, when its connection is lost. */
  readonly lose: () => void;
}

export class BrokerServer {
  readonly #world: World;
  #broker = new MemoryBroker();
  #log: Change[] = [];
  /** Those who wait, and whether they are being looked at, and are to be looked at again after that. */
  readonly #waiting = new Map<Waiting, { isLookedAt: boolean; isDueAgain: boolean }>();
  #isDown = false;
  /** Raised whenever all connections are lost. */
  #connection = 0;

  constructor(world: World) {
    this.#world = world;
  }

  get isDown(): boolean {
    return this.#isDown;
  }

  /** Differs once the connections that there were are lost. */
  get connection(): number {
    return this.#connection;
  }

  /** Reads without waiting. */
  async read<Result>(look: (broker: MemoryBroker) => Promise<Result>): Promise<Result> {
    return await look(this.#broker);
  }

  /** Makes a change. */
  async change<Result>(make: (broker: MemoryBroker) => Promise<Result>): Promise<Result> {
    this.#log.push({ atMs: this.#world.nowMs, make });
    const changed = make(this.#broker);
    this.#lookAgain();
    return await changed;
  }

  /** Looks, and waits if there is nothing. Answers what ends the wait. */
  wait(waiting: Waiting): () => void {
    this.#waiting.set(waiting, { isLookedAt: false, isDueAgain: false });
    this.#look(waiting);
    return () => {
      if (this.#waiting.delete(waiting)) waiting.answer([]);
    };
  }

  /** Loses all contents, as FLUSHALL does. */
  flush(): void {
    this.#broker = new MemoryBroker();
    this.#log = [];
  }

  /** Goes away with all connections, or comes back. */
  setDown(isDown: boolean): void {
    this.#isDown = isDown;
    if (isDown) this.#loseConnections();
  }

  /** Becomes what it was a while ago; connections are lost. */
  async goBack(byMs: number): Promise<void> {
    const untilMs = this.#world.nowMs - byMs;
    this.#log = this.#log.filter(({ atMs }) => atMs <= untilMs);
    const stale = new MemoryBroker();
    this.#broker = stale;
    this.#loseConnections();
    await Promise.all(this.#log.map(({ atMs, make }) => this.#world.asOf(atMs, () => make(stale))));
  }

  /** The entries of all streams whose names begin so. */
  async contents(prefix: string): Promise<ReadonlyMap<string, readonly Entry[]>> {
    const contents = new Map<string, readonly Entry[]>();
    for await (const stream of this.#broker.streams(prefix)) {
      const entries = await this.#broker.range(stream, { after: "0-0", count: Number.MAX_SAFE_INTEGER });
      if (entries.length > 0) contents.set(stream, entries);
    }
    return contents;
  }

  /** An id for an entry that is confirmed and not kept. */
  async unusedId(stream: string): Promise<EntryId> {
    const [major, minor] = partsOf(await this.#broker.lastId(stream));
    return `${major}-${minor + 1}`;
  }

  #lookAgain(): void {
    for (const waiting of this.#waiting.keys()) this.#look(waiting);
  }

  #look(waiting: Waiting): void {
    const look = this.#waiting.get(waiting);
    if (look === undefined) return;
    if (waiting.isGone()) {
      this.#waiting.delete(waiting);
      waiting.lose();
      return;
    }
    look.isDueAgain = look.isLookedAt;
    if (look.isLookedAt) return;
    look.isLookedAt = true;
    const change: Change = { atMs: this.#world.nowMs, make: waiting.look };
    if (waiting.isTaking) this.#log.push(change);
    waiting.look(this.#broker).then(
      (entries) => {
        look.isLookedAt = false;
        if (entries.length === 0 && waiting.isTaking) this.#log = this.#log.filter((each) => each !== change);
        if (entries.length > 0 && this.#waiting.delete(waiting)) waiting.answer(entries);
        else if (look.isDueAgain) this.#look(waiting);
      },
      (error: unknown) => this.#world.stop(error instanceof Error ? error : new Error(String(error))),
    );
  }

  #loseConnections(): void {
    this.#connection += 1;
    for (const waiting of this.#waiting.keys()) waiting.lose();
    this.#waiting.clear();
  }
}
