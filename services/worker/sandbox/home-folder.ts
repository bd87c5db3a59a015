import { closeSync, constants, fstatSync, openSync } from "node:fs";
import { open, statfs } from "node:fs/promises";

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = constants;

/** How a program's home folder is used. */
export interface StorageUse {
  readonly bytes: number;
  /** Files and folders. */
  readonly files: number;
}

/**
 * A program's home folder, held open.
 *
 * The descriptor keeps a sandbox's tmpfs alive when the sandbox is gone: its
 * files are read when no process is left that could change them, nothing has
 * to be removed, and closing it frees all.
 */
export class HomeFolder {
  readonly #descriptor: number;

  private constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  /** Opens a folder; throws when it is a link or no folder. */
  static open(path: string): HomeFolder {
    return new HomeFolder(openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  }

  /** A path to the folder itself, valid in this process until it is closed. */
  get path(): string {
    return `/proc/self/fd/${this.#descriptor}`;
  }

  /** What the file system of the folder holds. Meaningful where the folder is a file system of its own. */
  async use(): Promise<StorageUse> {
    const { blocks, bfree, bsize, files, ffree } = await statfs(this.path);
    return { bytes: (blocks - bfree) * bsize, files: files - ffree };
  }

  /** The bytes of a plain file directly in the folder; undefined when there is none or it is longer than `maxBytes`. */
  async readFile(name: string, maxBytes: number): Promise<Uint8Array | undefined> {
    const file = await open(`${this.path}/${name}`, O_RDONLY | O_NOFOLLOW | O_NONBLOCK).catch(
      () => undefined,
    );
    if (!file) return undefined;
    try {
      const { size, nlink } = await file.stat();
      const isPlain = fstatSync(file.fd).isFile() && nlink === 1;
      return isPlain && size <= maxBytes ? await file.readFile() : undefined;
    } finally {
      await file.close();
    }
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}
