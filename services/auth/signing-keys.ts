/*
 * Which key signs, and which take its place.
 *
 *   K1. A key is published for `publishedForMs` before it signs. Whoever checks
 *       tokens fetches the keys anew after 10 minutes at the latest, and others may
 *       keep them for 5, so all know it by then without ever meeting an unknown
 *       one; who does meet one fetches at once.
 *   K2. A key stays published until the longest token that it may have signed has
 *       expired.
 *   K3. Auth processes agree: keys are added under one lock, when they sign
 *       stands in the row, and every process reads the rows more often than a
 *       key can come to sign unread.
 *   K4. While Postgres is away, the key that is known to sign goes on signing.
 */
import type { JSONWebKeySet } from "jose";
import { Backoff } from "../../lib/async/backoff.ts";
import { delay } from "../../lib/async/delay.ts";
import type { Logger } from "../../lib/log/log.ts";
import type { Database } from "../../lib/postgres/database.ts";
import { longestAccessTokenMs } from "./access-token.ts";
import { type Actor, auditStore } from "./audit-store.ts";
import { drawSigningKey, openSigningKey, type SigningKey, type StoredSigningKey } from "./signing-key.ts";
import { type SigningKeyStore, signingKeyStore } from "./signing-key-store.ts";

const publishedForMs = 15 * 60_000;
const readEveryMs = 60_000;

/** What tokens may be used beyond their end, with clocks that differ. */
const toleranceMs = 60_000;

/** Who rotates keys when they are old. */
const itself: Actor = { clientId: "auth", address: "" };

export interface SigningKeysNeeds {
  readonly db: Pick<Database, "query" | "transaction">;
  /** The installation's secret, by which keys are sealed. */
  readonly secretKey: string;
  /** At this age a key is replaced. */
  readonly maxAgeMs: number;
}

/** A key that has been made. */
export interface MadeKey {
  readonly keyId: string;
  readonly signsAt: Date;
}

export class SigningKeys {
  readonly #db: SigningKeysNeeds["db"];
  readonly #secretKey: string;
  readonly #maxAgeMs: number;
  /** Opened ones, by their ids. */
  #opened: ReadonlyMap<string, SigningKey> = new Map();
  /** The last that signs first. */
  #stored: readonly StoredSigningKey[] = [];

  private constructor({ db, secretKey, maxAgeMs }: SigningKeysNeeds) {
    this.#db = db;
    this.#secretKey = secretKey;
    this.#maxAgeMs = maxAgeMs;
  }

  /** Reads the keys, and makes the first if there is none. Throws a ConfigError when they were sealed by another secret. */
  static async open(needs: SigningKeysNeeds): Promise<SigningKeys> {
    const keys = new SigningKeys(needs);
    const first = await drawSigningKey(needs.secretKey);
    await needs.db.transaction(async (transaction) => {
      const store = signingKeyStore(transaction);
      await store.lock();
      if ((await store.all()).length === 0) await store.add(first, 0);
    });
    await keys.#read();
    return keys;
  }

  /** The key that signs at this moment. */
  get current(): SigningKey {
    const now = Date.now();
    // Of an only key the database may be ahead of this clock.
    const signing = this.#stored.find(({ signsAt }) => signsAt.getTime() <= now) ?? this.#stored.at(-1);
    const key = signing && this.#opened.get(signing.keyId);
    if (key === undefined) throw new Error("there is no signing key");
    return key;
  }

  /** The public keys, as they are in the database. */
  async published(): Promise<JSONWebKeySet> {
    return { keys: (await this.#store.all()).map(({ publicKey }) => publicKey) };
  }

  /** Makes the key that signs next, unless one is waiting already; answers the one that waits. */
  async rotate(actor: Actor): Promise<MadeKey> {
    return await this.#rotateUnless(actor, ({ signsAt }) => signsAt.getTime() > Date.now());
  }

  /** Reads, replaces and removes keys as they age, until `signal` aborts. */
  async keep(log: Logger, signal: AbortSignal): Promise<void> {
    const backoff = new Backoff({ firstMs: 1_000, maxMs: readEveryMs });
    while (!signal.aborted) {
      try {
        await this.#read();
        const isYoung = ({ signsAt }: StoredSigningKey) => signsAt.getTime() > Date.now() - this.#maxAgeMs;
        if (!this.#stored.some(isYoung)) await this.#rotateUnless(itself, isYoung);
        await this.#store.removeReplaced(longestAccessTokenMs + toleranceMs);
        backoff.reset();
        await delay(readEveryMs, signal);
      } catch (error) {
        if (backoff.failures > 0) log.warn({ err: error }, "signing keys not kept");
        await backoff.wait(signal);
      }
    }
  }

  get #store(): SigningKeyStore {
    return signingKeyStore(this.#db);
  }

  /** Adds a key unless the last that signs, read under the lock, is such a one; answers the last. */
  async #rotateUnless(actor: Actor, isEnough: (last: StoredSigningKey) => boolean): Promise<MadeKey> {
    const next = await drawSigningKey(this.#secretKey);
    const made = await this.#db.transaction(async (transaction) => {
      const store = signingKeyStore(transaction);
      await store.lock();
      const [last] = await store.all();
      if (last !== undefined && isEnough(last)) return last;
      const signsAt = await store.add(next, publishedForMs);
      await auditStore(transaction).note("signing_key_rotated", actor);
      return { keyId: next.keyId, signsAt };
    });
    await this.#read();
    return { keyId: made.keyId, signsAt: made.signsAt };
  }

  async #read(): Promise<void> {
    const stored = await this.#store.all();
    const opened = stored.map(
      async (key) =>
        [key.keyId, this.#opened.get(key.keyId) ?? (await openSigningKey(this.#secretKey, key))] as const,
    );
    this.#opened = new Map(await Promise.all(opened));
    this.#stored = stored;
  }
}
