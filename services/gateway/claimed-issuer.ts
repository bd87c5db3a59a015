/** Which issuer a token claims to be of, which nobody has checked; undefined when it is no JWT or names none. */
export function claimedIssuer(token: string): string | undefined {
  const [, payload, signature] = token.split(".", 3);
  if (payload === undefined || signature === undefined) return undefined;
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, "base64url").toString());
    const issuer = typeof claims === "object" && claims !== null && "iss" in claims ? claims.iss : undefined;
    return typeof issuer === "string" ? issuer : undefined;
  } catch {
    return undefined;
  }
}
