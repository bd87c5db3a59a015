import { randomUUID } from "node:crypto";
import { SignJWT } from "jose";
import { accessTokenAlgorithm, accessTokenIssuer, accessTokenType } from "../../lib/rpc/tokens.ts";
import type { Client } from "./client.ts";
import type { SigningKey } from "./signing-key.ts";

/** A token and until when it is good. */
export interface AccessToken {
  readonly token: string;
  readonly expiresAt: Date;
}

/** Issues a token for a client (a JWT in the form of RFC 9068). */
export async function accessToken(
  { clientId, audience }: Client,
  {
    key,
    issuedAt,
    lifetimeMs,
  }: { readonly key: SigningKey; readonly issuedAt: Date; readonly lifetimeMs: number },
): Promise<AccessToken> {
  // A JWT counts in whole seconds, so that is all the caller is promised.
  const expiresAt = new Date(Math.floor((issuedAt.getTime() + lifetimeMs) / 1_000) * 1_000);
  const token = await new SignJWT({ client_id: clientId })
    .setProtectedHeader({ alg: accessTokenAlgorithm, typ: accessTokenType, kid: key.keyId })
    .setIssuer(accessTokenIssuer)
    .setSubject(clientId)
    .setAudience(audience)
    .setJti(randomUUID())
    .setIssuedAt(issuedAt)
    .setExpirationTime(expiresAt)
    .sign(key.privateKey);
  return { token, expiresAt };
}
