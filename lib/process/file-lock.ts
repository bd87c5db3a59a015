import { spawn } from "node:child_process";
import { once } from "node:events";
import { type FileHandle, open } from "node:fs/promises";

/**
 * A lock on a file, held by the kernel for this process.
 *
 * The lock belongs to the open file, which only this process keeps: the kernel
 * frees it when the process ends, however it ends. So there is no stale lock,
 * no pid to compare, and no moment between looking and taking. The file itself
 * stays; to remove it would let two holders lock two files of one name.
 */
export class FileLock {
  readonly #file: FileHandle;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  /**
   * Takes the lock; undefined when another process, or another lock of this one, holds it. Any number may hold a
   * shared lock while nobody holds the exclusive one.
   */
  static async take(path: string, mode: "exclusive" | "shared" = "exclusive"): Promise<FileLock | undefined> {
    const file = await open(path, "a", 0o600);
    try {
      // flock(1) locks the open file that it inherits from us, and we keep it when it ends.
      const child = spawn("flock", [`--${mode}`, "--nonblock", "3"], {
        stdio: ["ignore", "ignore", "ignore", file.fd],
      });
      const [code] = (await once(child, "exit")) as [number | null];
      if (code === 0) return new FileLock(file);
      if (code !== 1) throw new Error(`flock ended with ${code} on ${path}`);
    } catch (error) {
      await file.close();
      throw error;
    }
    await file.close();
    return undefined;
  }

  /** Gives the lock back. */
  async release(): Promise<void> {
    await this.#file.close();
  }
}
