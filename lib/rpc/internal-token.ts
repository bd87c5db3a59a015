import { hkdfSync } from "node:crypto";
import { jwtVerify, SignJWT } from "jose";
import { allScopes } from "./access.ts";
import type { Caller } from "./authenticate.ts";

/** The `typ` of an internal token, which no access token has. */
export const internalTokenType = "antiphon-internal+jwt";

const issuer = "antiphon-internal";
const lifetimeMs = 5 * 60_000;

/** A token is used for half of its life, so that one on its way does not expire. */
const usedForMs = lifetimeMs / 2;

/** How far the clocks of our machines may be apart. */
const clockToleranceSeconds = 10;

/** Answers a token to call with, as often as it is asked. */
export interface TokenSource {
  (): Promise<string>;
  /** To be told of a token that was refused, which is not worth keeping. Absent where tokens are not kept for long. */
  readonly onRefused?: (token: string) => void;
}

/**
 * Mints the tokens by which our services call each other.
 *
 * They are signed with a key that follows from the installation's secret, so
 * every service makes and checks them by itself, and none depends on auth for
 * it.
 */
export function internalToken(secretKey: string, serviceName: string): TokenSource {
  const key = internalKey(secretKey);
  let current: { readonly token: Promise<string>; readonly mintedAt: number } | undefined;
  return () => {
    if (current === undefined || performance.now() - current.mintedAt > usedForMs) {
      current = { token: mint(key, serviceName), mintedAt: performance.now() };
    }
    return current.token;
  };
}

/** Whose an internal token is. Rejects with an error of jose's when it is not a good one. */
export async function verifyInternalToken(secretKey: Uint8Array, token: string): Promise<Caller> {
  const { payload } = await jwtVerify(token, secretKey, {
    algorithms: ["HS256"],
    typ: internalTokenType,
    issuer,
    audience: "internal",
    requiredClaims: ["sub", "exp"],
    clockTolerance: clockToleranceSeconds,
  });
  return {
    clientId: payload.sub ?? "",
    audience: "internal",
    scopes: new Set(allScopes),
    tokenId: "",
    issuedAt: new Date((payload.iat ?? 0) * 1000),
    expiresAt: new Date((payload.exp ?? 0) * 1000),
  };
}

/** The key of internal tokens, which tells nothing about the secret or about other keys that follow from it. */
export function internalKey(secretKey: string): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", secretKey, "", "antiphon internal token", 32));
}

function mint(key: Uint8Array, serviceName: string): Promise<string> {
  return new SignJWT()
    .setProtectedHeader({ alg: "HS256", typ: internalTokenType })
    .setIssuer(issuer)
    .setSubject(serviceName)
    .setAudience("internal")
    .setIssuedAt()
    .setExpirationTime(new Date(Date.now() + lifetimeMs))
    .sign(key);
}
