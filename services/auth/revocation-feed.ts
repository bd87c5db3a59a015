/*
 * What was taken back, as it is read from Postgres and told on.
 *
 *   W1. Revocations are numbered in the order of their commits, so what was read
 *       up to a number is all up to it, whichever auth process took it back.
 *   W2. Reads are one at a time; `read` resolves after one that began later than
 *       it was called, so what was committed before it is known after it.
 *   W3. A watcher gets all that has not expired, in order, then `complete`, then
 *       each as it is read. A slow one waits for nobody and keeps nobody waiting.
 *   W4. While Postgres is away what is known stays known.
 */
import { Backoff } from "../../lib/async/backoff.ts";
import { Bell } from "../../lib/async/bell.ts";
import { delay } from "../../lib/async/delay.ts";
import type { Logger } from "../../lib/log/log.ts";
import type { Revocation, Revocations } from "../../lib/rpc/revocations.ts";
import type { RevocationStore, StoredRevocation } from "./revocation-store.ts";

/** How long what another auth process took back stays unknown to this one at most, while Postgres answers. */
const readEveryMs = 500;

const perRead = 1_000;

/** What is told to a watcher at once. */
const perMessage = 500;

/** How often a watcher looks up without being rung for. */
const checkMs = 60_000;

/** Some revocations, and whether they and those before are all that were known at the beginning. */
export interface RevocationNews {
  readonly revocations: readonly Revocation[];
  readonly complete: boolean;
}

export class RevocationFeed {
  readonly #store: Pick<RevocationStore, "after">;
  readonly #revocations: Revocations;
  readonly #watchers = new Set<Bell>();
  #told: StoredRevocation[] = [];
  #readUpTo = 0;
  /** The read that is under way, or the last one; never rejects. */
  #last: Promise<void> = Promise.resolve();
  /** The read that begins after it. */
  #next: Promise<void> | undefined;

  /** Whatever is read is added to `revocations`. */
  constructor(store: Pick<RevocationStore, "after">, revocations: Revocations) {
    this.#store = store;
    this.#revocations = revocations;
  }

  /** Reads what is new (W2). Rejects while Postgres does not answer. */
  read(): Promise<void> {
    // Every call that comes before a read has begun shares it.
    this.#next ??= this.#last.then(() => {
      this.#next = undefined;
      const reading = this.#readAll();
      this.#last = reading.catch(() => undefined);
      return reading;
    });
    return this.#next;
  }

  /** Reads again and again until `signal` aborts. */
  async follow(log: Logger, signal: AbortSignal): Promise<void> {
    const backoff = new Backoff({ firstMs: readEveryMs, maxMs: 5_000 });
    while (!signal.aborted) {
      try {
        await this.read();
        backoff.reset();
        await delay(readEveryMs, signal);
      } catch (error) {
        if (backoff.failures > 0) log.warn({ err: error }, "revocations not read");
        await backoff.wait(signal);
      }
    }
  }

  /** All that is known, then what comes (W3); ends when `signal` aborts. */
  async *watch(signal: AbortSignal): AsyncGenerator<RevocationNews> {
    const bell = new Bell();
    this.#watchers.add(bell);
    try {
      let after = 0;
      let isComplete = false;
      while (!signal.aborted) {
        const next = this.#told.filter(({ number }) => number > after).slice(0, perMessage);
        after = next.at(-1)?.number ?? after;
        const isLast = after >= (this.#told.at(-1)?.number ?? 0);
        if (next.length > 0 || !isComplete) yield { revocations: next, complete: isLast };
        isComplete ||= isLast;
        if (isLast) await bell.heard(signal, checkMs);
      }
    } finally {
      this.#watchers.delete(bell);
    }
  }

  async #readAll(): Promise<void> {
    for (;;) {
      const read = await this.#store.after(this.#readUpTo, perRead);
      this.#readUpTo = read.at(-1)?.number ?? this.#readUpTo;
      this.#take(read);
      if (read.length < perRead) return;
    }
  }

  #take(read: readonly StoredRevocation[]): void {
    if (read.length === 0) return;
    const now = Date.now();
    this.#told = [...this.#told.filter(({ expiresAt }) => expiresAt.getTime() > now), ...read];
    this.#revocations.add(read);
    for (const watcher of this.#watchers) watcher.ring();
  }
}
