/*
 * Who changed what, a line of JSON each, in a file that only its owner may read.
 *
 *   L1. A call never waits for its line: lines wait in memory, so many at most, and
 *       are written together. What finds no room is counted, and the count takes a
 *       line of its own.
 *   L2. Before each write it is looked whether the path still names the file that
 *       is open; a file that was moved away is left and a new one begun.
 *   L3. Disposing writes what waits.
 */
import { type FileHandle, open, stat } from "node:fs/promises";
import type { Logger } from "../../../lib/log/log.ts";

/** One act, without anything of its content. */
export interface AuditEntry {
  readonly at: Date;
  readonly requestId: string;
  /** Absent where nobody has shown who they are. */
  readonly clientId?: string | undefined;
  readonly audience?: string | undefined;
  /** Where the call came from. */
  readonly address: string;
  /** The procedure, as `package.v1.Service/Method`, or the route, as `POST /path/:id`. */
  readonly action: string;
  /** The ids of what it is about, by their names in the contract. */
  readonly target: Readonly<Record<string, string>>;
  /** `ok`, or the reason of the refusal. */
  readonly outcome: string;
}

/** How many lines wait at most; of a busy client these are some seconds' worth. */
const maxWaiting = 10_000;

/** An open audit log. */
export class AuditLog implements AsyncDisposable {
  readonly #path: string;
  readonly #log: Logger;
  #file: FileHandle;
  #waiting: string[] = [];
  #dropped = 0;
  #writing: Promise<void> | undefined;

  private constructor(path: string, file: FileHandle, log: Logger) {
    this.#path = path;
    this.#file = file;
    this.#log = log;
  }

  /** Opens the file, or makes it (0600). Rejects when that can not be done. */
  static async open(path: string, log: Logger): Promise<AuditLog> {
    return new AuditLog(path, await openFile(path), log);
  }

  /** Takes an entry down. Never throws, and waits for nothing (L1). */
  write(entry: AuditEntry): void {
    if (this.#waiting.length >= maxWaiting) this.#dropped += 1;
    else this.#waiting.push(lineOf(entry));
    this.#writing ??= this.#writeWaiting().finally(() => {
      this.#writing = undefined;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing;
    await this.#file.close();
  }

  async #writeWaiting(): Promise<void> {
    while (this.#waiting.length > 0) {
      const lines = this.#waiting;
      this.#waiting = [];
      const dropped = this.#dropped;
      this.#dropped = 0;
      if (dropped > 0) {
        this.#log.warn({ dropped }, "audit lines dropped");
        lines.push(`${JSON.stringify({ at: new Date().toISOString(), dropped })}\n`);
      }
      try {
        await this.#reopenIfMoved();
        await this.#file.appendFile(lines.join(""));
      } catch (error) {
        this.#dropped += lines.length + dropped;
        this.#log.error({ err: error, lines: lines.length }, "audit log not written");
      }
    }
  }

  async #reopenIfMoved(): Promise<void> {
    const [open, named] = await Promise.all([
      this.#file.stat(),
      stat(this.#path).catch(() => undefined), // It was moved away, or removed.
    ]);
    if (named?.ino === open.ino && named.dev === open.dev) return;
    const former = this.#file;
    this.#file = await openFile(this.#path);
    await former.close();
  }
}

function openFile(path: string): Promise<FileHandle> {
  return open(path, "a", 0o600);
}

function lineOf({ at, requestId, clientId, audience, address, action, target, outcome }: AuditEntry): string {
  const fields = {
    at: at.toISOString(),
    request_id: requestId,
    client_id: clientId,
    audience,
    address,
    action,
    target,
    outcome,
  };
  return `${JSON.stringify(fields)}\n`;
}
