/*
 * The public keys by which access tokens are checked.
 *
 *   K1. Keys are fetched when one is wanted and none, or not the one, is known;
 *       again after `freshMs`; by one fetch at a time, and after one at most
 *       every `cooldownMs`, so that forged key ids can not make us flood auth.
 *   K2. Keys that are known stay good while auth is away.
 */
import {
  type CryptoKey,
  createLocalJWKSet,
  errors,
  type FlattenedJWSInput,
  type JSONWebKeySet,
  type JWSHeaderParameters,
} from "jose";
import { DomainError } from "../errors/domain-error.ts";

/** Fetches the keys that auth publishes. */
export type FetchKeys = () => Promise<JSONWebKeySet>;

/** Keys change rarely and by overlap; this is how long a new one may stay unknown to somebody who never meets it. */
const usualFreshMs = 10 * 60_000;
const cooldownMs = 5_000;

/** How long auth may take to answer its keys. */
const fetchTimeoutMs = 5_000;

/** Where the keys are on the port of auth and of every gateway. */
export const keySetPath = "/.well-known/jwks.json";

/** Fetches the keys from a server that has them at `/.well-known/jwks.json`. */
export function keysOverHttp(url: string): FetchKeys {
  return async () => {
    const response = await fetch(new URL(keySetPath, url), { signal: AbortSignal.timeout(fetchTimeoutMs) });
    if (!response.ok) throw new Error(`${url} answers ${response.status} for its keys`);
    return (await response.json()) as JSONWebKeySet;
  };
}

/** Keys that are fetched as they are needed and kept. */
export class KeySet {
  readonly #fetchKeys: FetchKeys;
  readonly #freshMs: number;
  readonly #nowMs: () => number;
  #known: ReturnType<typeof createLocalJWKSet> | undefined;
  #fetching: Promise<void> | undefined;
  #triedAt = Number.NEGATIVE_INFINITY;
  #fetchedAt = Number.NEGATIVE_INFINITY;

  /** `nowMs` is a monotonic clock; `freshMs` is 10 minutes unless given. */
  constructor(
    fetchKeys: FetchKeys,
    {
      freshMs = usualFreshMs,
      nowMs = () => performance.now(),
    }: { readonly freshMs?: number; readonly nowMs?: () => number } = {},
  ) {
    this.#fetchKeys = fetchKeys;
    this.#freshMs = freshMs;
    this.#nowMs = nowMs;
  }

  /**
   * The key that a token names. Rejects with jose's `JWKSNoMatchingKey` when
   * there is none, and with SERVICE_UNAVAILABLE when no keys are known and auth
   * does not answer. To be given to `jwtVerify`.
   */
  readonly keyOf = async (header: JWSHeaderParameters, token: FlattenedJWSInput): Promise<CryptoKey> => {
    if (this.#nowMs() - this.#fetchedAt > this.#freshMs) await this.#refresh();
    try {
      return await this.#find(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      await this.#refresh();
      return await this.#find(header, token);
    }
  };

  async #find(header: JWSHeaderParameters, token: FlattenedJWSInput): Promise<CryptoKey> {
    if (this.#known !== undefined) return this.#known(header, token);
    throw new DomainError("SERVICE_UNAVAILABLE", "the keys to check tokens with are not to be had");
  }

  async #refresh(): Promise<void> {
    if (this.#fetching === undefined) {
      // K1: nothing known is worth another try at once.
      if (this.#known !== undefined && this.#nowMs() - this.#triedAt < cooldownMs) return;
      this.#triedAt = this.#nowMs();
      this.#fetching = this.#fetch().finally(() => {
        this.#fetching = undefined;
      });
    }
    await this.#fetching;
  }

  async #fetch(): Promise<void> {
    try {
      this.#known = createLocalJWKSet(await this.#fetchKeys());
      this.#fetchedAt = this.#nowMs();
    } catch (cause) {
      // K2. Without any key the caller is told in `#find`.
      if (this.#known === undefined) {
        throw new DomainError(
          "SERVICE_UNAVAILABLE",
          "the keys to check tokens with are not to be had",
          {},
          { cause },
        );
      }
    }
  }
}
