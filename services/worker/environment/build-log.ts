import { appendFileSync, closeSync, openSync, readSync, rmSync, statSync } from "node:fs";
import { delay } from "../../../lib/async/delay.ts";

/** What a build may write; what comes after is dropped, but for the tail. */
const maxBytes = 4 * 1024 * 1024;
const tailCharacters = 4000;
/** How far followers may lag behind; a person reads along. */
const pollMs = 100;

/** What a build says, in a file, so that whoever waits for it can read along, also from another process. */
export class BuildLog {
  readonly #path: string;
  #bytes = 0;
  #tail = "";

  /** Starts an empty log. A new file in place of an older one: whoever follows that notices. */
  constructor(path: string) {
    this.#path = path;
    rmSync(path, { force: true });
    appendFileSync(path, "", { mode: 0o600 });
  }

  /** Writes synchronously: output is rare, and its order is worth more. */
  append(chunk: Buffer): void {
    this.#tail = (this.#tail + chunk.toString()).slice(-tailCharacters);
    if (this.#bytes > maxBytes) return;
    this.#bytes += chunk.length;
    appendFileSync(this.#path, chunk);
  }

  /** The last 4,000 characters at most. */
  get tail(): string {
    return this.#tail.trim();
  }

  /** Removes the file; who is following reads to its end all the same. */
  remove(): void {
    rmSync(this.#path, { force: true });
  }
}

/** Passes on a log from its beginning, and the ones that follow it under the same path, until `signal` aborts. */
export async function followLog(
  path: string,
  onOutput: (chunk: Buffer) => void,
  signal: AbortSignal,
): Promise<void> {
  let current: { readonly descriptor: number; readonly inode: number } | undefined;
  const readAll = (descriptor: number) => {
    const buffer = Buffer.alloc(64 * 1024);
    for (let count = readSync(descriptor, buffer); count > 0; count = readSync(descriptor, buffer)) {
      onOutput(Buffer.from(buffer.subarray(0, count)));
    }
  };
  for (let isLast = false; ; isLast = signal.aborted) {
    const inode = statSync(path, { throwIfNoEntry: false })?.ino;
    if (current !== undefined) readAll(current.descriptor);
    if (inode !== undefined && inode !== current?.inode) {
      if (current !== undefined) closeSync(current.descriptor);
      current = opened(path, inode);
      if (current !== undefined) readAll(current.descriptor);
    }
    if (isLast) break;
    await delay(pollMs, signal);
  }
  if (current !== undefined) closeSync(current.descriptor);
}

function opened(path: string, inode: number) {
  try {
    return { descriptor: openSync(path, "r"), inode };
  } catch {
    // Removed between the look and the opening; there is nothing to read.
    return undefined;
  }
}
