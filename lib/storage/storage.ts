/** Keeps files by key: a port, so that a folder shared by the services and an object store are the same to them. */
export interface Storage {
  /**
   * Keeps a file whole or not at all, in place of one with the same key. Rejects
   * with what `content` rejects with; then nothing is kept. When it resolves the
   * file has reached the disk.
   *
   * A key is made of parts joined by `/`; each part is `[A-Za-z0-9._-]{1,200}` and
   * begins with neither `.` nor `-`.
   */
  put(key: string, content: AsyncIterable<Uint8Array>): Promise<void>;

  /** The file of a key, in chunks; undefined when there is none. */
  get(key: string): Promise<AsyncIterable<Uint8Array> | undefined>;

  /** Keeps the file of one key as that of another, too, which had none or the same; answers false when there is no such file. Durable when it resolves. */
  copy(from: string, to: string): Promise<boolean>;

  /** Removes all files whose key begins with these parts; no error when there are none. */
  remove(prefix: string): Promise<void>;
}

const partForm = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,199}$/;

/** The parts of a key. Throws a RangeError when it is not of its form. */
export function keyParts(key: string): string[] {
  const parts = key.split("/");
  if (!parts.every((part) => partForm.test(part))) throw new RangeError("a storage key is not of its form");
  return parts;
}
