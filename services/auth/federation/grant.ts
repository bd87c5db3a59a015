import { DomainError } from "../../../lib/errors/domain-error.ts";
import { allScopes, type Scope } from "../../../lib/rpc/access.ts";
import type { TokenGrant } from "../access-token.ts";
import type { Audience } from "../client.ts";
import { type Claims, claimAt, valuesAt } from "./claims.ts";
import type { Issuer } from "./issuer.ts";
import { hookStandIn, isStandIn, issuerStandIn } from "./stand-in.ts";

/** A client of ours, as far as another issuer's tokens are concerned. */
export interface RegisteredClient {
  readonly audience: Audience;
  readonly scopes: readonly Scope[];
  /** Whether it is neither disabled nor deleted. */
  readonly isUsable: boolean;
}

/** What a token of ours is to be for. */
export interface ExternalGrant {
  readonly grant: TokenGrant;
  /** Whether it is for a client that has a record. */
  readonly isRegistered: boolean;
}

/** Finds a client by its `client_id` alone. */
export type FindClient = (clientId: string) => Promise<RegisteredClient | undefined>;

const maxClientIdLength = 200;

/**
 * What a token of ours is for when it is given for one of another issuer with
 * these claims: the client that the token names, with that client's audience and
 * scopes; else, where the issuer's subjects need not be registered, a client that
 * stands for the subject and has no record.
 *
 * Rejects with TOKEN_INVALID when the claims name nobody who may call, and with
 * TOKEN_REVOKED when they name a client that is disabled or deleted.
 */
export async function issuerGrant(
  issuer: Issuer,
  claims: Claims & { readonly sub: string },
  findClient: FindClient,
): Promise<ExternalGrant> {
  const clientId = claimAt(claims, issuer.clientIdClaim);
  if (typeof clientId !== "string" || clientId === "")
    throw new DomainError("TOKEN_INVALID", `the token has no claim ${issuer.clientIdClaim}`);
  const externalSubject = claims.sub;
  const registered = isStorable(clientId) ? await findClient(clientId) : undefined;
  if (registered !== undefined) {
    if (!registered.isUsable)
      throw new DomainError("TOKEN_REVOKED", "the client that the token names is disabled or deleted");
    const { audience, scopes } = registered;
    const grant = { clientId, audience, scopes: narrowed(scopes, issuer, claims), externalSubject };
    return { grant, isRegistered: true };
  }
  if (!issuer.allowsUnregistered)
    throw new DomainError("TOKEN_INVALID", "no client is registered for the subject of the token");
  const grant = {
    clientId: issuerStandIn(issuer.name, clientId),
    audience: audienceOf(issuer, claims),
    scopes: narrowed(allScopes, issuer, claims),
    externalSubject,
  };
  return { grant, isRegistered: false };
}

/** What a token of ours is for when the operator's service says whose another one is. Its users are never registered. */
export function hookGrant({
  userId,
  isAdmin,
}: {
  readonly userId: string;
  readonly isAdmin: boolean;
}): ExternalGrant {
  const grant = {
    clientId: hookStandIn(userId),
    audience: isAdmin ? "admin-api" : "tasks-api",
    scopes: allScopes,
    externalSubject: userId,
  } as const;
  return { grant, isRegistered: false };
}

function audienceOf({ audienceOf: map }: Issuer, claims: Claims): Audience {
  if (map === undefined) return "tasks-api";
  const values = valuesAt(claims, map.claim);
  // In the order of the map, so that the operator says which of several counts.
  const [, audience] = [...map.meanings].find(([value]) => values.includes(value)) ?? [];
  if (audience === undefined)
    throw new DomainError(
      "TOKEN_INVALID",
      `nothing in the claim ${map.claim} of the token means an audience`,
    );
  return audience;
}

function narrowed(scopes: readonly Scope[], { scopesOf: map }: Issuer, claims: Claims): readonly Scope[] {
  if (map === undefined) return scopes;
  const meant = valuesAt(claims, map.claim).map((value) => map.meanings.get(value));
  return scopes.filter((scope) => meant.includes(scope));
}

/** Whether there can be a client of this id. */
function isStorable(clientId: string): boolean {
  return clientId.length <= maxClientIdLength && !clientId.includes("\0") && !isStandIn(clientId);
}
