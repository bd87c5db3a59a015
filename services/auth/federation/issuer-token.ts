import { decodeJwt, errors, type JWTPayload, jwtVerify } from "jose";
import { DomainError } from "../../../lib/errors/domain-error.ts";
import type { KeySet } from "../../../lib/rpc/key-set.ts";
import type { Issuer } from "./issuer.ts";

/** How far the clock of an issuer may be from ours. */
const clockToleranceSeconds = 30;

/** No subject is longer (OpenID Connect Core §2). */
const maxSubjectLength = 255;

/** What the header of an access token calls it (RFC 9068, or what came before); one without a type counts as `JWT`. */
const accessTokenTypes = new Set(["jwt", "at+jwt", "application/at+jwt"]);

/** Claims that only an ID token has (OpenID Connect Core §2, §3.3.2.11): it says who logged in, and allows nothing. */
const idTokenClaims = ["nonce", "at_hash", "c_hash", "s_hash"];

/** Which issuer a token claims to be of, which nobody has checked; undefined when it is no JWT or names none. */
export function claimedIssuer(token: string): string | undefined {
  try {
    return decodeJwt(token).iss;
  } catch {
    return undefined;
  }
}

/**
 * The claims of an access token of an issuer. Rejects with TOKEN_EXPIRED,
 * TOKEN_INVALID, or SERVICE_UNAVAILABLE when the issuer's keys are not to be had.
 *
 * Taken are access tokens that anybody may bear. Refused are ID tokens, logout
 * tokens and whatever else the issuer signs with the same keys, and tokens that
 * are bound to a key of their bearer (`cnf`), which is not checked here.
 */
export async function verifyIssuerToken(
  token: string,
  { issuer, keys }: { readonly issuer: Issuer; readonly keys: Pick<KeySet, "keyOf"> },
): Promise<JWTPayload & { readonly sub: string; readonly exp: number }> {
  const { payload, protectedHeader } = await jwtVerify(token, keys.keyOf, {
    algorithms: [...issuer.algorithms],
    issuer: issuer.issuer,
    audience: [...issuer.audiences],
    requiredClaims: ["sub", "exp"],
    clockTolerance: clockToleranceSeconds,
  }).catch((error: unknown) => {
    throw refusalOf(error);
  });
  if (!accessTokenTypes.has((protectedHeader.typ ?? "JWT").toLowerCase()))
    throw new DomainError("TOKEN_INVALID", "the token is no access token");
  if (idTokenClaims.some((claim) => claim in payload) || !isBearer(payload["typ"]))
    throw new DomainError("TOKEN_INVALID", "the token is no access token");
  if ("cnf" in payload) throw new DomainError("TOKEN_INVALID", "the token is bound to a key");
  const { sub, exp = 0 } = payload;
  if (typeof sub !== "string" || sub === "" || sub.length > maxSubjectLength)
    throw new DomainError("TOKEN_INVALID", "the token names no subject");
  return { ...payload, sub, exp };
}

/** Keycloak tells kinds of tokens apart by a claim: `Bearer`, `ID`, `Refresh`, `Logout`. */
function isBearer(type: unknown): boolean {
  return type === undefined || type === "Bearer";
}

/** What jose finds wrong with a token, as a refusal; an outage stays what it is. */
function refusalOf(error: unknown): unknown {
  if (error instanceof errors.JWTExpired)
    return new DomainError("TOKEN_EXPIRED", "the token has expired", {}, { cause: error });
  if (error instanceof errors.JOSEError || error instanceof TypeError)
    return new DomainError(
      "TOKEN_INVALID",
      "the token is not a good one of its issuer",
      {},
      { cause: error },
    );
  return error;
}
