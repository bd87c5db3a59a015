import { randomBytes } from "node:crypto";
import { mkdir, readFile, realpath, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { FileLock } from "../../lib/process/file-lock.ts";

/** What a running server writes about itself for those who look for it. */
export interface ServerFile {
  readonly url: string;
  readonly pid: number;
}

/**
 * The folder that an all-in-one server keeps everything in, locked for this
 * process. The lock is the kernel's, so it is free the moment its holder is
 * dead, however that died; the file names the holder for people.
 */
export class DataFolder implements AsyncDisposable {
  readonly path: string;
  /** Of the process that used the folder before, and is dead. */
  readonly formerIncarnation: string | undefined;
  readonly #lock: FileLock;

  private constructor(path: string, formerIncarnation: string | undefined, lock: FileLock) {
    this.path = path;
    this.formerIncarnation = formerIncarnation;
    this.#lock = lock;
  }

  /** Makes the folder (0700) where it is missing and locks it. Throws, naming the process, when another server uses it. */
  static async open(directory: string, incarnation: string): Promise<DataFolder> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const path = await realpath(directory);
    const lockPath = join(path, "lock");
    const lock = await FileLock.take(lockPath);
    if (lock === undefined) {
      const pid = await textOf(lockPath);
      throw new Error(`another server (pid ${pid?.trim() ?? "unknown"}) uses the data folder ${path}`);
    }
    await writeFile(lockPath, `${process.pid}\n`);
    await rm(join(path, "server.json"), { force: true });
    const incarnationPath = join(path, "incarnation");
    const former = (await textOf(incarnationPath))?.trim();
    await replaceFile(incarnationPath, incarnation);
    return new DataFolder(path, former, lock);
  }

  /** The installation's secret: made here at the first start, and the same ever after. */
  async secretKey(): Promise<string> {
    const path = join(this.path, "secret.key");
    const kept = await textOf(path);
    if (kept !== undefined) return kept.trim();
    const drawn = randomBytes(32).toString("base64url");
    await replaceFile(path, drawn);
    return drawn;
  }

  /** Says where the server is to be found. */
  async announce(server: ServerFile): Promise<void> {
    await replaceFile(join(this.path, "server.json"), JSON.stringify(server));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(join(this.path, "server.json"), { force: true });
    await this.#lock.release();
  }
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** Writes a file that is whole whenever anybody reads it, for its owner only. */
async function replaceFile(path: string, content: string): Promise<void> {
  const partial = `${path}.new`;
  await rm(partial, { force: true });
  await writeFile(partial, `${content}\n`, { mode: 0o600, flag: "wx", flush: true });
  await rename(partial, path);
}
