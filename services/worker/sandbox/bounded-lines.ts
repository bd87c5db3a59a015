const newline = 0x0a;

/** Cuts a stream of bytes into lines and keeps at most one line of `maxBytes`; a longer one is skipped. */
export class BoundedLines {
  readonly #maxBytes: number;
  #parts: Buffer[] = [];
  #length = 0;
  #tooLong = false;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** The lines that `chunk` completes, without their newline; undefined stands for one that was too long. */
  *take(chunk: Buffer): Generator<Buffer | undefined> {
    let from = 0;
    for (let at = chunk.indexOf(newline); at !== -1; at = chunk.indexOf(newline, from)) {
      this.#keep(chunk.subarray(from, at));
      yield this.#line();
      from = at + 1;
    }
    this.#keep(chunk.subarray(from));
  }

  /** Whether bytes wait for a newline. */
  get hasRest(): boolean {
    return this.#length > 0;
  }

  #keep(part: Buffer): void {
    this.#length += part.length;
    if (this.#length > this.#maxBytes) {
      this.#tooLong = true;
      this.#parts = [];
    }
    if (!this.#tooLong && part.length > 0) this.#parts.push(part);
  }

  #line(): Buffer | undefined {
    const line = this.#tooLong ? undefined : Buffer.concat(this.#parts);
    this.#parts = [];
    this.#length = 0;
    this.#tooLong = false;
    return line;
  }
}
