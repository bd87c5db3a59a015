import type { TaskNews } from "../../gen/antiphon/taskio/v1/transcript_pb.ts";
import { type Cursor, compareCursors } from "./cursor.ts";

/** An entry as it is sent, and its size. All watchers share it. */
export interface RecentEntry extends Cursor {
  readonly news: TaskNews;
  readonly bytes: number;
}

/** How many entries and bytes there may be. */
export interface Bounds {
  readonly entries: number;
  readonly bytes: number;
}

/**
 * The latest entries of one task: the queue of all its watchers. It has no hole:
 * what is after `start` and not after `end` is in it, and nothing else.
 */
export class RecentEntries {
  #start: Cursor;
  #entries: RecentEntry[] = [];
  /** Entries before this index are dropped already. */
  #dropped = 0;
  #bytes = 0;

  constructor(start: Cursor) {
    this.#start = start;
  }

  /** The place before the first entry. */
  get start(): Cursor {
    return this.#start;
  }

  /** The place of the last entry. */
  get end(): Cursor {
    return this.#entries.at(-1) ?? this.#start;
  }

  /** Adds entries that follow the last. */
  push(entries: readonly RecentEntry[]): void {
    for (const entry of entries) {
      this.#entries.push(entry);
      this.#bytes += entry.bytes;
    }
  }

  /** The first entries after a place, at most `maxCount`; undefined when the place is before the start. */
  after(place: Cursor, maxCount: number): readonly RecentEntry[] | undefined {
    if (compareCursors(place, this.#start) < 0) return undefined;
    const from = this.#indexAfter(place);
    return this.#entries.slice(from, from + maxCount);
  }

  /** Drops the oldest entries that are beyond `hard`, and those that are beyond `soft` and not after `passed`. */
  trim(passed: Cursor, { soft, hard }: { readonly soft: Bounds; readonly hard: Bounds }): void {
    while (this.#exceeds(hard)) this.#dropFirst();
    while (this.#exceeds(soft)) {
      const first = this.#entries[this.#dropped];
      if (first === undefined || compareCursors(first, passed) > 0) break;
      this.#dropFirst();
    }
    if (this.#dropped > this.#entries.length / 2) {
      this.#entries = this.#entries.slice(this.#dropped);
      this.#dropped = 0;
    }
  }

  #exceeds({ entries, bytes }: Bounds): boolean {
    return this.#entries.length - this.#dropped > entries || this.#bytes > bytes;
  }

  #dropFirst(): void {
    const first = this.#entries[this.#dropped];
    if (first === undefined) throw new RangeError("there is no entry to drop");
    this.#start = { attempt: first.attempt, seq: first.seq };
    this.#bytes -= first.bytes;
    this.#dropped += 1;
  }

  #indexAfter(place: Cursor): number {
    let low = this.#dropped;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const entry = this.#entries[middle];
      if (entry !== undefined && compareCursors(entry, place) <= 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
