import { randomUUID } from "node:crypto";
import { SignJWT } from "jose";
import type { Scope } from "../../lib/rpc/access.ts";
import {
  accessTokenAlgorithm,
  accessTokenIssuer,
  accessTokenType,
  externalSubjectClaim,
} from "../../lib/rpc/tokens.ts";
import type { Audience } from "./client.ts";
import type { SigningKey } from "./signing-key.ts";

/** The longest that an access token can be set to be good: a day. */
export const longestAccessTokenMs = 86_400_000;

/** Whom a token is for and what it may be used for. */
export interface TokenGrant {
  readonly clientId: string;
  readonly audience: Audience;
  readonly scopes: readonly Scope[];
  /** What the tokens that come of one IssueToken have in common. Absent when it comes of none. */
  readonly familyId?: string;
  /** How the issuer of the token that this one is given for names whom it is for. Absent when it is given for none. */
  readonly externalSubject?: string;
  /** As which issuer its bearer knows this server. Absent when nobody said. */
  readonly issuer?: string;
}

/** A token and until when it is good. */
export interface AccessToken {
  readonly token: string;
  readonly expiresAt: Date;
}

/** Issues a token (a JWT in the form of RFC 9068). */
export async function accessToken(
  { clientId, audience, scopes, familyId, externalSubject, issuer = accessTokenIssuer }: TokenGrant,
  {
    key,
    issuedAt,
    lifetimeMs,
  }: { readonly key: SigningKey; readonly issuedAt: Date; readonly lifetimeMs: number },
): Promise<AccessToken> {
  // A JWT counts in whole seconds, so that is all the caller is promised.
  const expiresAt = new Date(Math.floor((issuedAt.getTime() + lifetimeMs) / 1_000) * 1_000);
  const token = await new SignJWT({
    client_id: clientId,
    scope: scopes.join(" "),
    ...(familyId !== undefined && { sid: familyId }),
    ...(externalSubject !== undefined && { [externalSubjectClaim]: externalSubject }),
  })
    .setProtectedHeader({ alg: accessTokenAlgorithm, typ: accessTokenType, kid: key.keyId })
    .setIssuer(issuer)
    .setSubject(clientId)
    .setAudience(audience)
    .setJti(randomUUID())
    .setIssuedAt(issuedAt)
    .setExpirationTime(expiresAt)
    .sign(key.privateKey);
  return { token, expiresAt };
}
