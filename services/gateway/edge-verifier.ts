/*
 * Says whose a token is at the edge, where also tokens of other issuers are shown.
 * Those are exchanged for ours, which goes along to the services behind; they know
 * nothing but our own.
 *
 *   E1. A token of ours costs no call. One that is none of ours costs one only when
 *       it names an issuer that is trusted, or when a service verifies others.
 *   E2. One exchange of a token at a time; whoever shows it meanwhile shares it.
 *   E3. An exchanged token is used for `askAgainMs` and then asked for again, so
 *       what is taken back elsewhere is refused here soon; while nobody answers it
 *       is used to its end.
 *   E4. A refusal is remembered for `refusedMs`, and what was exchanged before is
 *       forgotten with it. Refusals of tokens that are not known yet use up an
 *       allowance that grows with time: when it is spent, such tokens are refused
 *       without a call. So strangers can neither make us flood auth nor keep us
 *       from asking about those whom we know.
 *   E5. Tokens are remembered by their digests, and so many at most.
 */
import { hash } from "node:crypto";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { Client } from "@connectrpc/connect";
import type { AuthService } from "../../gen/antiphon/auth/v1/auth_service_pb.ts";
import { ShortMemory } from "../../lib/async/short-memory.ts";
import { DomainError, type Reason } from "../../lib/errors/domain-error.ts";
import type { Caller, VerifyToken } from "../../lib/rpc/authenticate.ts";
import { fromConnectError } from "../../lib/rpc/from-connect-error.ts";
import { Allowance } from "./allowance.ts";
import { claimedIssuer } from "./claimed-issuer.ts";
import { TrustedIssuers } from "./trusted-issuers.ts";

export interface EdgeVerifierNeeds {
  /** Says whose a token of ours is. */
  readonly verify: VerifyToken;
  readonly auth: Pick<Client<typeof AuthService>, "exchangeToken" | "listIssuers">;
  /** A monotonic clock. */
  readonly nowMs?: () => number;
}

const rememberedTokens = 10_000;
const askAgainMs = 30_000;
const refusedMs = 5_000;

/** An exchanged token is not used when it would run out on its way. */
const marginMs = 10_000;

/** Longer than auth may wait for an issuer's documents, or for the operator's service. */
const exchangeTimeoutMs = 15_000;

/** So many refusals at once, and so many in a second in the long run. */
const refusals = { burst: 200, perSecond: 20 };

/** What auth says of a token that is no good, however often it is asked. */
const finalReasons = ["TOKEN_INVALID", "TOKEN_EXPIRED", "TOKEN_REVOKED"] as const satisfies Reason[];

interface Exchanged {
  readonly token: string;
  /** By the monotonic clock (E3). */
  readonly askAgainAt: number;
}

/** Verifies what callers show at the edge. */
export class EdgeVerifier {
  readonly #needs: EdgeVerifierNeeds;
  readonly #trusted: TrustedIssuers;
  readonly #nowMs: () => number;
  readonly #exchanged: ShortMemory<Exchanged>;
  readonly #refused: ShortMemory<DomainError>;
  readonly #allowance: Allowance;
  readonly #exchanging = new Map<string, Promise<string>>();
  readonly #tokenOf = new WeakMap<Caller, string>();

  constructor(needs: EdgeVerifierNeeds) {
    this.#needs = needs;
    this.#nowMs = needs.nowMs ?? (() => performance.now());
    this.#trusted = new TrustedIssuers(needs.auth, this.#nowMs);
    this.#exchanged = new ShortMemory(rememberedTokens, this.#nowMs);
    this.#refused = new ShortMemory(rememberedTokens, this.#nowMs);
    this.#allowance = new Allowance(refusals, this.#nowMs);
  }

  /** Whose a token is, of ours or of another issuer. Rejects as `VerifyToken` says, and with RATE_LIMITED (E4). */
  readonly verify: VerifyToken = async (token) => {
    const digest = hash("sha256", token, "base64url");
    const known = this.#exchanged.get(digest);
    if (known !== undefined) return await this.#callerOf(await this.#current(known, digest, token));
    try {
      return await this.#needs.verify(token);
    } catch (refusal) {
      if (!isForeign(refusal) || !(await this.#trusted.mayTake(claimedIssuer(token)))) throw refusal;
    }
    return await this.#callerOf(await this.#exchange(digest, token, this.#allowance));
  };

  /** The token that goes along to the services behind when it is not the one that the caller showed. */
  tokenFor(caller: Caller | undefined): string | undefined {
    return caller && this.#tokenOf.get(caller);
  }

  async #callerOf(token: string): Promise<Caller> {
    const caller = await this.#needs.verify(token);
    this.#tokenOf.set(caller, token);
    return caller;
  }

  async #current(known: Exchanged, digest: string, token: string): Promise<string> {
    if (this.#nowMs() < known.askAgainAt) return known.token;
    return await this.#exchange(digest, token).catch((refusal: unknown) => {
      if (refusal instanceof DomainError && finalReasons.some((final) => final === refusal.reason))
        throw refusal;
      return known.token; // E3
    });
  }

  /** `allowance` is used up by a refusal; without one there is no limit. */
  async #exchange(digest: string, token: string, allowance?: Allowance): Promise<string> {
    const refusal = this.#refused.get(digest);
    if (refusal !== undefined) throw refusal;
    const running = this.#exchanging.get(digest);
    if (running !== undefined) return await running;
    if (allowance?.take() === false)
      throw new DomainError("RATE_LIMITED", "too many tokens were refused; try again in a while");
    const exchanging = this.#ask(digest, token, allowance).finally(() => this.#exchanging.delete(digest));
    this.#exchanging.set(digest, exchanging);
    return await exchanging;
  }

  async #ask(digest: string, token: string, allowance: Allowance | undefined): Promise<string> {
    try {
      const { accessToken, expiresAt } = await this.#needs.auth.exchangeToken(
        { token },
        { timeoutMs: exchangeTimeoutMs },
      );
      const leftMs = (expiresAt === undefined ? 0 : timestampDate(expiresAt).getTime()) - Date.now();
      const askAgainAt = this.#nowMs() + askAgainMs;
      this.#exchanged.set(digest, { token: accessToken, askAgainAt }, leftMs - marginMs);
      allowance?.giveBack();
      return accessToken;
    } catch (thrown) {
      const { reason, message } = fromConnectError(thrown);
      const final = finalReasons.find((known) => known === reason);
      if (final === undefined) {
        allowance?.giveBack();
        const said = "the token can not be verified at the moment";
        throw new DomainError(reason ?? "SERVICE_UNAVAILABLE", said, {}, { cause: thrown });
      }
      const refusal = new DomainError(final, message);
      this.#exchanged.forget(digest);
      this.#refused.set(digest, refusal, refusedMs);
      throw refusal;
    }
  }
}

/** Whether a token is none that we made; one of ours that is over or was taken back is nobody else's. */
function isForeign(refusal: unknown): boolean {
  return refusal instanceof DomainError && refusal.reason === "TOKEN_INVALID";
}
