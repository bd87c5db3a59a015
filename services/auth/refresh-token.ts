import { createHash, randomBytes } from "node:crypto";

/** A refresh token: 256 random bits, of a form that no access token has. */
export function drawRefreshToken(): string {
  return `antr_${randomBytes(32).toString("base64url")}`;
}

/** Whether a text has the form of a refresh token. */
export function isRefreshToken(text: string): boolean {
  return /^antr_[\w-]{43}$/.test(text);
}

/** What is stored of a refresh token, by which it is found. Nobody can guess 256 bits, so it needs no salt. */
export function refreshTokenHash(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}

/** A second use within this time is a repeat of a call whose answer got lost, a later one is theft. */
export const repeatWithinMs = 10_000;

/** A refresh token that is shown, as it is stored. */
export interface ShownRefreshToken {
  readonly isRevoked: boolean;
  readonly hasExpired: boolean;
  /** How long ago it was exchanged first; absent when it was not. */
  readonly usedForMs?: number;
}

/** What becomes of a refresh token that is shown. A theft is one whatever else is true, so long as there is anything to take back. */
export function refreshVerdict({
  isRevoked,
  hasExpired,
  usedForMs,
}: ShownRefreshToken): "good" | "revoked" | "expired" | "reused" {
  if (isRevoked) return "revoked";
  if (usedForMs !== undefined && usedForMs > repeatWithinMs) return "reused";
  return hasExpired ? "expired" : "good";
}
