import { isUtf8 } from "node:buffer";
import type { Place } from "./frame-id.ts";

/** A piece of output, and the place behind it. */
export interface Piece {
  readonly text: string;
  readonly end: Place;
}

/** A line that is longer comes in pieces, in bytes. */
const longestLine = 64 * 1024;

/** A character has at most so many bytes in UTF-8. */
const longestCharacter = 4;

const newline = 0x0a;

/**
 * Makes lines of the chunks of one output stream: each ends with its line feed,
 * but for what is given up by `flush` or `end`. Characters whose bytes lie in two
 * chunks are put together; what is no UTF-8 is replaced.
 */
export class OutputLines {
  /** What has no line feed yet. */
  #rest: Buffer = Buffer.alloc(0);
  /** Behind the last byte of `#rest`. */
  #end: Place = { attempt: 0, seq: 0, offset: 0 };

  /** Whether there is a line that has not ended. */
  get hasRest(): boolean {
    return this.#rest.length > 0;
  }

  /** Takes an entry's bytes from an offset on, and gives the lines that ended. */
  push(
    { attempt, seq }: Pick<Place, "attempt" | "seq">,
    data: Uint8Array,
    from: number = 0,
  ): readonly Piece[] {
    const pieces: Piece[] = [];
    let start = from;
    for (;;) {
      const found = data.indexOf(newline, start);
      if (found < 0) break;
      const line = Buffer.concat([this.#rest, data.subarray(start, found + 1)]);
      this.#rest = Buffer.alloc(0);
      start = found + 1;
      pieces.push({ text: line.toString(), end: { attempt, seq, offset: start } });
    }
    if (start < data.length) {
      this.#rest = Buffer.concat([this.#rest, data.subarray(start)]);
      this.#end = { attempt, seq, offset: data.length };
    }
    if (this.#rest.length >= longestLine) pieces.push(...this.flush());
    return pieces;
  }

  /** Gives up the line that has not ended, but for a character of which bytes may be missing. */
  flush(): readonly Piece[] {
    const missing = begunCharacter(this.#rest);
    // The place before a character that began in an earlier entry is not known here; it is soon complete.
    if (missing === this.#rest.length || missing > this.#end.offset) return [];
    const text = this.#rest.toString("utf8", 0, this.#rest.length - missing);
    this.#rest = this.#rest.subarray(this.#rest.length - missing);
    return [{ text, end: { ...this.#end, offset: this.#end.offset - missing } }];
  }

  /** Gives up everything: nothing follows. */
  end(): readonly Piece[] {
    if (!this.hasRest) return [];
    const text = this.#rest.toString();
    this.#rest = Buffer.alloc(0);
    return [{ text, end: this.#end }];
  }
}

/** How many bytes at the end are the beginning of a character. */
function begunCharacter(bytes: Buffer): number {
  for (let count = 1; count < longestCharacter && count <= bytes.length; count += 1) {
    const first = bytes[bytes.length - count] ?? 0;
    const isContinuation = (first & 0b1100_0000) === 0b1000_0000;
    if (isContinuation) continue;
    return first >= 0b1100_0000 && !isUtf8(bytes.subarray(bytes.length - count)) ? count : 0;
  }
  return 0;
}
