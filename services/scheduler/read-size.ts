/** How many entries of each stream are read at once at most: more make a commit no cheaper. */
const maxCount = 500;

/** What is asked for while nothing is known of the entries. */
const firstCount = 16;

/**
 * Follows the size of what comes in, so that a read brings about so many bytes at
 * most: the broker bounds a read by a count of entries alone. Where entries grow
 * from one read to the next, one read is larger.
 */
export class ReadSize {
  readonly #maxBytes: number;
  #count = firstCount;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** How many entries of each stream to ask for. */
  get count(): number {
    return this.#count;
  }

  /** Notes what a read brought: its bytes, and whether a stream may have more than was asked for. */
  note({ bytes, hasMore }: { readonly bytes: number; readonly hasMore: boolean }): void {
    if (bytes > this.#maxBytes) {
      this.#count = Math.max(1, Math.floor((this.#count * this.#maxBytes) / bytes));
    } else if (hasMore && 2 * bytes <= this.#maxBytes) {
      this.#count = Math.min(maxCount, 2 * this.#count);
    }
  }
}
