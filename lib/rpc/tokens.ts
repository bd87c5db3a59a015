import { decodeProtectedHeader, errors, jwtVerify } from "jose";
import { delay } from "../async/delay.ts";
import { DomainError } from "../errors/domain-error.ts";
import { allScopes, type Scope, type TokenAudience } from "./access.ts";
import type { Caller, VerifyToken } from "./authenticate.ts";
import { internalKey, internalTokenType, verifyInternalToken } from "./internal-token.ts";
import { type FetchKeys, KeySet } from "./key-set.ts";
import type { Revocations } from "./revocations.ts";

/** The `iss` of access tokens that nobody asked for by a URL of the server. */
export const accessTokenIssuer = "antiphon";

/** The header by which a gateway tells auth as which issuer callers know this server. It says nothing about who calls. */
export const issuerHeader = "x-antiphon-issuer";

/** The header by which the gateway tells services behind, and its own routes, where a call came from. Never taken from outside. */
export const callerAddressHeader = "x-antiphon-caller-address";

/** The `typ` of access tokens (RFC 9068). */
export const accessTokenType = "at+jwt";

/** The claim of an access token that was given for another issuer's: whom that was for. */
export const externalSubjectClaim = "external_sub";

/** What an access token may be signed with; never what its own header proposes. */
export const accessTokenAlgorithm = "EdDSA";

/** The audiences that auth issues tokens for. */
export const publicAudiences = [
  "tasks-api",
  "clients-api",
  "admin-api",
  "workers-api",
] as const satisfies TokenAudience[];

/** How far the clock of auth may be from ours. */
const clockToleranceSeconds = 10;

/** Tokens are short; ours are under 600 characters. */
const maxTokenLength = 4_096;

/** How long a token is held up while it is not known yet what was taken back. */
const revocationsTimeoutMs = 5_000;

/** So many good tokens are remembered, so that a call costs no signature check; the oldest goes first. */
const rememberedTokens = 2_000;

/**
 * Says whose a token is: an access token, checked against the keys that auth
 * publishes, or an internal one, checked against the installation's secret.
 * Which of them is decided by the header, and each is checked with its own
 * algorithm, type and audience, so neither can pass for the other.
 *
 * With `revocations`, an access token that was taken back is refused; without,
 * somebody behind must check.
 */
export function tokenVerifier({
  fetchKeys,
  secretKey,
  revocations,
}: {
  readonly fetchKeys: FetchKeys;
  readonly secretKey: string;
  readonly revocations?: Revocations;
}): VerifyToken {
  const keys = new KeySet(fetchKeys);
  const internal = internalKey(secretKey);
  const remembered = new Map<string, Caller>();
  const identify: VerifyToken = async (token) => {
    const known = remembered.get(token);
    if (known !== undefined && known.expiresAt.getTime() > Date.now()) return known;
    remembered.delete(token);
    const caller = await (typeOf(token) === internalTokenType
      ? verifyInternalToken(internal, token)
      : verifyAccessToken(keys, token)
    ).catch((error: unknown) => {
      throw refusalOf(error);
    });
    remembered.set(token, caller);
    const [oldest] = remembered.keys();
    if (remembered.size > rememberedTokens && oldest !== undefined) remembered.delete(oldest);
    return caller;
  };
  if (revocations === undefined) return identify;
  return async (token) => {
    const caller = await identify(token);
    if (caller.audience !== "internal" && !revocations.isComplete) await complete(revocations);
    if (revocations.isRevoked(caller)) throw tokenRevoked();
    return caller;
  };
}

/** What a call with a token that was taken back is refused with, and what ends a stream that bears it. */
export function tokenRevoked(): DomainError {
  return new DomainError("TOKEN_REVOKED", "the token was taken back");
}

async function complete({ complete }: Revocations): Promise<void> {
  const late = new AbortController();
  const inTime = await Promise.race([
    complete.then(() => true),
    delay(revocationsTimeoutMs, late.signal).then(() => false),
  ]);
  late.abort();
  if (!inTime) throw new DomainError("SERVICE_UNAVAILABLE", "what was taken back is not to be had");
}

async function verifyAccessToken(keys: KeySet, token: string): Promise<Caller> {
  const { payload } = await jwtVerify(token, keys.keyOf, {
    algorithms: [accessTokenAlgorithm],
    typ: accessTokenType,
    // Not by whom it says that it is: that is the URL that its client knows this
    // server by, and the keys are those of this installation alone.
    audience: [...publicAudiences],
    requiredClaims: ["sub", "exp"],
    clockTolerance: clockToleranceSeconds,
  });
  const audience = publicAudiences.find((audience) => audience === payload.aud);
  if (audience === undefined)
    throw new DomainError("TOKEN_INVALID", "the token is for more than one audience");
  const externalSubject = payload[externalSubjectClaim];
  return {
    clientId: payload.sub ?? "",
    audience,
    scopes: scopesOf(payload["scope"]),
    tokenId: payload.jti ?? "",
    ...(typeof payload["sid"] === "string" && { familyId: payload["sid"] }),
    ...(typeof externalSubject === "string" && { externalSubject }),
    issuedAt: new Date((payload.iat ?? 0) * 1000),
    expiresAt: new Date((payload.exp ?? 0) * 1000),
  };
}

/** The scopes of a claim (RFC 8693 §4.2), less those that are none of ours. A token without the claim is from before there were scopes and has all. */
function scopesOf(claim: unknown): ReadonlySet<Scope> {
  if (claim === undefined) return new Set(allScopes);
  const named = typeof claim === "string" ? claim.split(" ") : [];
  return new Set(allScopes.filter((scope) => named.includes(scope)));
}

function typeOf(token: string): string | undefined {
  if (token.length > maxTokenLength) throw new DomainError("TOKEN_INVALID", "the token is too long");
  try {
    return decodeProtectedHeader(token).typ;
  } catch (cause) {
    throw new DomainError("TOKEN_INVALID", "the token is malformed", {}, { cause });
  }
}

/** What jose finds wrong with a token, as a refusal; an outage stays what it is. */
function refusalOf(error: unknown): unknown {
  if (error instanceof errors.JWTExpired) {
    return new DomainError("TOKEN_EXPIRED", "the token has expired", {}, { cause: error });
  }
  if (error instanceof errors.JOSEError || error instanceof TypeError) {
    return new DomainError(
      "TOKEN_INVALID",
      "the token is not one of this installation",
      {},
      { cause: error },
    );
  }
  return error;
}
