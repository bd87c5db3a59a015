/*
 * Slows down who guesses the secret of a client.
 *
 *   G1. After `freeFailures` wrong secrets in a row every further one for that
 *       client is followed by a block, each twice as long as the one before, up
 *       to `maxBlockMs`. Within it every secret is refused, also the right one:
 *       else the block would tell which is right.
 *   G2. A secret of the form that we draw is neither blocked nor counted. It has
 *       256 bits, so there is no guessing it; and so nobody can lock a client out
 *       that uses one.
 *   G3. At most `rememberedClients` are remembered, the least recent is forgotten
 *       first, and each for `forgottenAfterMs` after its last failure.
 */
import { DomainError } from "../../lib/errors/domain-error.ts";
import { isDrawn } from "./secret-hash.ts";

const freeFailures = 10;
const firstBlockMs = 1_000;
const maxBlockMs = 60_000;
const forgottenAfterMs = 15 * 60_000;
const rememberedClients = 10_000;

interface Failures {
  readonly count: number;
  readonly lastAtMs: number;
}

/** Counts wrong secrets of this process by the ids that they were shown for. */
export class SecretAttempts {
  readonly #failures = new Map<string, Failures>();
  readonly #nowMs: () => number;

  /** `nowMs` is a monotonic clock. */
  constructor(nowMs = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  /** Throws RATE_LIMITED while a secret is refused unseen (G1, G2). */
  admit(clientId: string, secret: string): void {
    const failures = this.#of(clientId);
    if (failures === undefined || isDrawn(secret)) return;
    const leftMs = failures.lastAtMs + blockMs(failures.count) - this.#nowMs();
    if (leftMs > 0) {
      const retryAfterMs = Math.ceil(leftMs);
      throw new DomainError("RATE_LIMITED", "too many wrong secrets for this client", {}, { retryAfterMs });
    }
  }

  /** To be called after a wrong secret. */
  failed(clientId: string, secret: string): void {
    if (isDrawn(secret)) return;
    const count = (this.#of(clientId)?.count ?? 0) + 1;
    this.#failures.delete(clientId);
    this.#failures.set(clientId, { count, lastAtMs: this.#nowMs() });
    const [oldest] = this.#failures.keys();
    if (this.#failures.size > rememberedClients && oldest !== undefined) this.#failures.delete(oldest);
  }

  /** To be called after the right one. */
  succeeded(clientId: string): void {
    this.#failures.delete(clientId);
  }

  #of(clientId: string): Failures | undefined {
    const failures = this.#failures.get(clientId);
    if (failures === undefined || this.#nowMs() - failures.lastAtMs < forgottenAfterMs) return failures;
    this.#failures.delete(clientId);
    return undefined;
  }
}

function blockMs(failures: number): number {
  if (failures < freeFailures) return 0;
  return Math.min(firstBlockMs * 2 ** (failures - freeFailures), maxBlockMs);
}
