/** What a token says of its bearer, once it is known to be true. */
export type Claims = Readonly<Record<string, unknown>>;

/** A claim by its name, or by the way to it, with dots: `realm_access.roles`. */
export function claimAt(claims: Claims, path: string): unknown {
  // Some issuers name claims by URLs, which have dots of their own.
  if (Object.hasOwn(claims, path)) return claims[path];
  return path.split(".").reduce<unknown>((found, name) => {
    const isThere = typeof found === "object" && found !== null && Object.hasOwn(found, name);
    return isThere ? (found as Claims)[name] : undefined;
  }, claims);
}

/** The values of a claim that has several: a list, or words with spaces between them. */
export function valuesAt(claims: Claims, path: string): readonly string[] {
  const found = claimAt(claims, path);
  if (typeof found === "string") return found.split(" ").filter((word) => word !== "");
  if (typeof found === "boolean") return [String(found)];
  return Array.isArray(found) ? found.filter((value) => typeof value === "string") : [];
}
