import { type Entry, type EntryId, partsOf } from "./broker.ts";

/** The place of an entry as two numbers, as `partsOf` answers it. */
export type Position = readonly [major: number, minor: number];

/** An entry, or the place of one that was deleted and is not swept yet. */
interface Slot {
  readonly position: Position;
  body: Uint8Array | undefined;
}

/** So many places of deleted entries may stay, besides as many as there are entries, until they are swept. */
const sweepSlack = 64;

/**
 * The entries of one stream in memory, oldest first. Appending is O(1), finding
 * an id O(log n), deleting O(1) besides; a deleted body is freed at once.
 */
export class MemoryStream {
  readonly #name: string;
  #slots: Slot[] = [];
  /** Where the oldest entry is; before it are only places of deleted ones. */
  #oldest = 0;
  #count = 0;
  #last: Position = [0, 0];
  /** The last position that each group has been given. */
  readonly groups = new Map<string, Position>();

  constructor(name: string) {
    this.#name = name;
  }

  /** The position that the latest entry has or had. */
  get last(): Position {
    return this.#last;
  }

  /** Appends under an id made of the time, or just above the last one. */
  append(body: Uint8Array, nowMs: number): EntryId {
    const [major, minor] = this.#last;
    const position: Position = nowMs > major ? [nowMs, 0] : [major, minor + 1];
    this.appendAt(position, body);
    return idOf(position);
  }

  /** Appends at a position above the last one. */
  appendAt(position: Position, body: Uint8Array): void {
    // A copy: the caller may use its bytes again.
    this.#slots.push({ position, body: body.slice() });
    this.#last = position;
    this.#count += 1;
  }

  /** Entries after a position, at most `count`. */
  after(position: Position, count: number): Entry[] {
    const found: Entry[] = [];
    for (let at = Math.max(this.#indexAfter(position), this.#oldest); found.length < count; at += 1) {
      const slot = this.#slots[at];
      if (slot === undefined) break;
      if (slot.body !== undefined)
        found.push({ stream: this.#name, id: idOf(slot.position), body: slot.body });
    }
    return found;
  }

  /** Whether an entry is there. */
  has(id: EntryId): boolean {
    return this.#slotAt(partsOf(id))?.body !== undefined;
  }

  /** Deletes one entry, if it is there. */
  remove(id: EntryId): void {
    const slot = this.#slotAt(partsOf(id));
    if (slot !== undefined) this.#clear(slot);
    this.#sweep();
  }

  /** Deletes all entries below a position. */
  trim(below: Position): void {
    for (;;) {
      const slot = this.#slots[this.#oldest];
      if (slot === undefined || compare(slot.position, below) >= 0) break;
      this.#clear(slot);
      this.#oldest += 1;
    }
    this.#sweep();
  }

  /** Deletes the oldest entries beyond a count. */
  keepLatest(count: number): void {
    while (this.#count > count) {
      const slot = this.#slots[this.#oldest];
      if (slot !== undefined) this.#clear(slot);
      this.#oldest += 1;
    }
    this.#sweep();
  }

  /** Deletes all entries above a position, and goes on as if `last` had been the latest. */
  rewind({ above, last }: { above: Position; last: Position }): void {
    for (const slot of this.#slots.splice(this.#indexAfter(above))) this.#clear(slot);
    this.#oldest = Math.min(this.#oldest, this.#slots.length);
    this.#last = last;
  }

  #clear(slot: Slot): void {
    if (slot.body === undefined) return;
    slot.body = undefined;
    this.#count -= 1;
  }

  #sweep(): void {
    while (this.#oldest < this.#slots.length && this.#slots[this.#oldest]?.body === undefined)
      this.#oldest += 1;
    if (this.#slots.length <= 2 * this.#count + sweepSlack) return;
    this.#slots = this.#slots.filter(({ body }) => body !== undefined);
    this.#oldest = 0;
  }

  #slotAt(position: Position): Slot | undefined {
    const slot = this.#slots[this.#indexAfter(position) - 1];
    return slot !== undefined && compare(slot.position, position) === 0 ? slot : undefined;
  }

  /** The index of the first place above a position. */
  #indexAfter(position: Position): number {
    let from = 0;
    let to = this.#slots.length;
    while (from < to) {
      const middle = (from + to) >>> 1;
      const slot = this.#slots[middle];
      if (slot !== undefined && compare(slot.position, position) <= 0) from = middle + 1;
      else to = middle;
    }
    return from;
  }
}

/** The written form of a position. */
export function idOf([major, minor]: Position): EntryId {
  return `${major}-${minor}`;
}

function compare([majorA, minorA]: Position, [majorB, minorB]: Position): number {
  return majorA - majorB || minorA - minorB;
}
