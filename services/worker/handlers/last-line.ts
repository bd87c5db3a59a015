/** More of a line is not kept. */
const maxBytes = 2_048;

/** Keeps the last line with something on it of what a program writes. */
export class LastLine {
  #tail = Buffer.alloc(0);

  add(chunk: Uint8Array): void {
    const joined = Buffer.concat([this.#tail, chunk.subarray(-2 * maxBytes)]);
    this.#tail = Buffer.from(joined.subarray(-2 * maxBytes));
  }

  /** The line without its ending, its last 2 KiB if it is longer; empty when there is none. */
  get text(): string {
    const lines = this.#tail.toString("utf8").trimEnd().split("\n");
    return (lines.at(-1) ?? "").trim().slice(-maxBytes);
  }
}
