import { allScopes } from "../../lib/rpc/access.ts";
import type { Caller } from "../../lib/rpc/authenticate.ts";

/** Whoever a test lets call: by default `alice`, a client of `tasks-api` with every scope and a token that is good for an hour. */
export function aCaller(changes: Partial<Caller> = {}): Caller {
  return {
    clientId: "alice",
    audience: "tasks-api",
    scopes: new Set(allScopes),
    tokenId: "",
    issuedAt: new Date(),
    expiresAt: new Date(Date.now() + 3_600_000),
    ...changes,
  };
}
