/*
 * Files that clients upload for tasks to be submitted of.
 *
 *   U1. A file has a row before it has content, and keeps it until the content is
 *       gone. So whatever is left by a death is found by its row and removed.
 *   U2. It can be named when its content is stored whole. What is received for
 *       longer than a call may take is given up, and is not kept after all.
 *   U3. What a client has is counted under a lock when a file begins and when it
 *       is whole; so neither bound is passed, however many come at once.
 */
import { createHash, randomUUID } from "node:crypto";
import { DomainError } from "../../lib/errors/domain-error.ts";
import { isRunId } from "../../lib/ids/task-id.ts";
import type { Storage } from "../../lib/storage/storage.ts";
import type { Upload, UploadStore } from "./upload-store.ts";

/** The largest file that a task is submitted of: 5 MiB. */
export const maxProgramBytes = 5 * 1024 * 1024;

/** How long the receiving of a file may take. */
const receivingMs = 15 * 60_000;

/** How many files are removed at once. */
const removedPerTurn = 100;

export interface UploadsOptions {
  readonly store: UploadStore;
  readonly storage: Pick<Storage, "put" | "get" | "remove">;
}

export class Uploads {
  readonly #options: UploadsOptions;

  constructor(options: UploadsOptions) {
    this.#options = options;
  }

  /**
   * Keeps a file of a client's whole or not at all: nothing when `content` rejects
   * or `signal` aborts. Throws `TOO_LARGE` and `UPLOAD_LIMIT`, and what `content`
   * rejects with.
   */
  async keep(
    {
      clientId,
      fileName,
      isSingleUse,
    }: { readonly clientId: string; readonly fileName: string; readonly isSingleUse: boolean },
    content: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<Upload> {
    const { store, storage } = this.#options;
    const uploadId = randomUUID();
    const begun = await store.begin({ uploadId, clientId, fileName, isSingleUse });
    if (begun.kind === "limit") throw uploadLimit(begun.limit);
    try {
      const measured = new Measured(content, AbortSignal.any([signal, AbortSignal.timeout(receivingMs)]));
      await storage.put(contentKey(uploadId), measured);
      const { size, md5 } = measured;
      const kept = await store.complete({ uploadId, clientId, size, md5 });
      if (kept === undefined) throw new Error(`upload ${uploadId} was given up while it was received`);
      if ("kind" in kept) throw uploadLimit(kept.limit);
      return kept;
    } catch (error) {
      // If this fails, too, the row is found when its time is over.
      await this.#discard(uploadId).catch(() => undefined);
      throw error;
    }
  }

  /** The file of a client's that was stored last under a name; undefined when there is none. */
  async named(clientId: string, fileName: string): Promise<Upload | undefined> {
    return await this.#options.store.named(clientId, fileName);
  }

  /** What is in a file of a client's; undefined when there is none, or not any more. */
  async content(clientId: string, uploadId: string): Promise<Uint8Array | undefined> {
    const { store, storage } = this.#options;
    const upload = await store.read(clientId, uploadId);
    const stored = upload && (await storage.get(contentKey(uploadId)));
    if (stored === undefined) return undefined;
    const chunks: Uint8Array[] = [];
    for await (const chunk of stored) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  /** Gives a file of a client's up that was for one use, for something was submitted of it. */
  async spend(clientId: string, uploadId: string): Promise<void> {
    // What was submitted is stored, whatever becomes of this; at the latest the file goes when it is old.
    if (isRunId(uploadId)) await this.#options.store.spend(clientId, uploadId).catch(() => undefined);
  }

  /** Removes files that are old, and what is left of those that were not received whole; says whether there may be more. */
  async removeOld(): Promise<boolean> {
    const { store, storage } = this.#options;
    const old = await store.expire(removedPerTurn);
    for (const uploadId of old) await storage.remove(contentKey(uploadId));
    if (old.length > 0) await store.forget(old);
    return old.length === removedPerTurn;
  }

  async #discard(uploadId: string): Promise<void> {
    const { store, storage } = this.#options;
    await store.giveUp(uploadId);
    await storage.remove(contentKey(uploadId));
    await store.forget([uploadId]);
  }
}

/** The refusal of a file that there is not, or not any more, or that is another client's. */
export function uploadNotFound(uploadId: string): DomainError {
  return new DomainError("UPLOAD_NOT_FOUND", "there is no such uploaded file", {
    upload_id: uploadId.slice(0, 100),
  });
}

function uploadLimit(limit: number): DomainError {
  const message = `the caller's uploaded files take as much as they may: ${limit}`;
  return new DomainError("UPLOAD_LIMIT", message, { limit: String(limit) });
}

const contentKey = (uploadId: string): string => `uploads/${uploadId}`;

/** Content that is measured as it goes by. Throws `TOO_LARGE` instead of the byte after the last that is allowed. */
class Measured implements AsyncIterable<Uint8Array> {
  readonly #content: AsyncIterable<Uint8Array>;
  readonly #signal: AbortSignal;
  readonly #hash = createHash("md5");
  #size = 0;

  constructor(content: AsyncIterable<Uint8Array>, signal: AbortSignal) {
    this.#content = content;
    this.#signal = signal;
  }

  /** What went by, in bytes. */
  get size(): number {
    return this.#size;
  }

  /** The MD5 of what went by, in lower-case hexadecimal; to be asked for once, at the end. */
  get md5(): string {
    return this.#hash.digest("hex");
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    const chunks = this.#content[Symbol.asyncIterator]();
    for (;;) {
      const { done, value } = await this.#unlessAborted(chunks.next());
      if (done === true) return;
      this.#measure(value);
      yield value;
    }
  }

  /** What `next` becomes, or a rejection when the signal aborts first: a caller that is gone may never say so. */
  async #unlessAborted<Result>(next: Promise<Result>): Promise<Result> {
    // One for each: racing them all against one promise would keep every one in memory until the end.
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    const abort = () => reject(this.#signal.reason);
    this.#signal.addEventListener("abort", abort, { once: true });
    if (this.#signal.aborted) abort();
    next.then(resolve, reject);
    try {
      return await promise;
    } finally {
      this.#signal.removeEventListener("abort", abort);
    }
  }

  #measure(chunk: Uint8Array): void {
    this.#size += chunk.length;
    if (this.#size > maxProgramBytes) {
      const message = `the file is larger than ${maxProgramBytes} bytes`;
      throw new DomainError("TOO_LARGE", message, { limit: String(maxProgramBytes) });
    }
    this.#hash.update(chunk);
  }
}
