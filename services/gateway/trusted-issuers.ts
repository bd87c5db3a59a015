import type { Client } from "@connectrpc/connect";
import type { AuthService } from "../../gen/antiphon/auth/v1/auth_service_pb.ts";
import { DomainError } from "../../lib/errors/domain-error.ts";

/** How long auth is taken at its word. */
const freshMs = 60_000;

/** How soon auth is asked again after it did not answer. */
const cooldownMs = 1_000;

const answerTimeoutMs = 5_000;

interface Trust {
  readonly issuers: ReadonlySet<string>;
  readonly verifiesOthers: boolean;
}

/** Whose tokens auth takes, asked for when somebody wants to know and kept for a minute, or as long as auth does not answer. */
export class TrustedIssuers {
  readonly #auth: Pick<Client<typeof AuthService>, "listIssuers">;
  readonly #nowMs: () => number;
  #trust: Trust | undefined;
  #askAgainAt = Number.NEGATIVE_INFINITY;
  #asking: Promise<void> | undefined;

  /** `nowMs` is a monotonic clock. */
  constructor(auth: Pick<Client<typeof AuthService>, "listIssuers">, nowMs: () => number) {
    this.#auth = auth;
    this.#nowMs = nowMs;
  }

  /** Whether auth may take a token that names this issuer, or none. Rejects with SERVICE_UNAVAILABLE when auth never answered. */
  async mayTake(issuer: string | undefined): Promise<boolean> {
    if (this.#nowMs() >= this.#askAgainAt) await (this.#asking ??= this.#ask());
    if (this.#trust === undefined)
      throw new DomainError("SERVICE_UNAVAILABLE", "the token can not be verified at the moment");
    return this.#trust.verifiesOthers || (issuer !== undefined && this.#trust.issuers.has(issuer));
  }

  async #ask(): Promise<void> {
    try {
      const { issuers, verifiesOthers } = await this.#auth.listIssuers({}, { timeoutMs: answerTimeoutMs });
      this.#trust = { issuers: new Set(issuers), verifiesOthers };
      this.#askAgainAt = this.#nowMs() + freshMs;
    } catch {
      this.#askAgainAt = this.#nowMs() + cooldownMs;
    } finally {
      this.#asking = undefined;
    }
  }
}
