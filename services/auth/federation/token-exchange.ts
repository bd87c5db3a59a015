import { DomainError } from "../../../lib/errors/domain-error.ts";
import { KeySet } from "../../../lib/rpc/key-set.ts";
import type { AccessToken } from "../access-token.ts";
import type { Exchanged } from "./exchanged-tokens.ts";
import { type FindClient, hookGrant, issuerGrant } from "./grant.ts";
import { issuerKeys } from "./issuer-keys.ts";
import { claimedIssuer, verifyIssuerToken } from "./issuer-token.ts";
import type { FederationSettings } from "./settings.ts";
import { VerifyHook } from "./verify-hook.ts";

/** Gives tokens of ours for those of others. */
export interface TokenExchange {
  /** The issuers that are trusted, as their tokens name them. */
  readonly issuers: readonly string[];
  /** Whether a service verifies tokens that are of none of these. */
  readonly verifiesOthers: boolean;
  /**
   * A token of ours, good for 5 minutes or as long as the other, which was shown
   * from this address. Rejects with
   * TOKEN_INVALID, TOKEN_EXPIRED, TOKEN_REVOKED, SERVICE_UNAVAILABLE when whoever
   * knows does not answer, and TOO_MANY_CALLS.
   */
  readonly exchange: (token: string, address: string) => Promise<AccessToken>;
}

export interface TokenExchangeNeeds {
  readonly settings: FederationSettings;
  readonly findClient: FindClient;
  readonly issue: (exchanged: Exchanged) => Promise<AccessToken>;
}

/** Short, because what an issuer takes back is good here for as long. */
const longestMs = 5 * 60_000;

/** A token that is over sooner is not worth another one. */
const shortestMs = 1_000;

/**
 * Exchanges tokens of the issuers and of the service that the settings name.
 *
 * Which issuer a token is of is read from the token, unchecked, and then it is
 * checked by what that issuer alone publishes: so none can speak for another, and
 * a token that its issuer would refuse is not shown to the service.
 */
export function tokenExchange({ settings, findClient, issue }: TokenExchangeNeeds): TokenExchange {
  const trusted = new Map(
    settings.issuers.map((issuer) => {
      const keys = new KeySet(issuerKeys(issuer), { freshMs: issuer.keysFreshMs });
      return [issuer.issuer, { issuer, keys }] as const;
    }),
  );
  const hook = settings.verifyHook && new VerifyHook(settings.verifyHook);

  const verified = async (token: string): Promise<Omit<Exchanged, "address">> => {
    const known = trusted.get(claimedIssuer(token) ?? "");
    if (known !== undefined) {
      const claims = await verifyIssuerToken(token, known);
      const lifetimeMs = Math.min(longestMs, claims.exp * 1_000 - Date.now());
      if (lifetimeMs < shortestMs) throw new DomainError("TOKEN_EXPIRED", "the token has expired");
      return { ...(await issuerGrant(known.issuer, claims, findClient)), lifetimeMs };
    }
    if (hook === undefined)
      throw new DomainError("TOKEN_INVALID", "the token is of no issuer that is trusted");
    return { ...hookGrant(await hook.userOf(token)), lifetimeMs: longestMs };
  };

  return {
    issuers: [...trusted.keys()],
    verifiesOthers: hook !== undefined,
    exchange: async (token, address) => await issue({ ...(await verified(token)), address }),
  };
}
