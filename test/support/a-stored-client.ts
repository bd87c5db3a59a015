import { allScopes } from "../../lib/rpc/access.ts";
import type { StoredClient } from "../../services/auth/client-store.ts";

/** A client as auth stores it: by default `alice` of `tasks-api`, who may use every scope and has no secret that anybody knows. */
export function aStoredClient(changes: Partial<StoredClient> = {}): StoredClient {
  return {
    clientId: "alice",
    uid: "0d8f3d3e-94a6-4c6b-8f0a-0f4f5a2b7c11",
    audience: "tasks-api",
    name: "Alice",
    description: "",
    scopes: allScopes,
    isDisabled: false,
    isDeleted: false,
    createdAt: new Date("2026-01-01T00:00:00Z"),
    updatedAt: new Date("2026-01-01T00:00:00Z"),
    secretHash: "",
    ...changes,
  };
}
