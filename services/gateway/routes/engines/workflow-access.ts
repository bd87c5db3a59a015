import type { Access } from "../../../../lib/rpc/access.ts";

/** To look at workflows and what ran of them. */
export const look: Access = { audiences: ["tasks-api", "admin-api"], scope: "read" };

/** To store and to start them. */
export const change: Access = { audiences: ["tasks-api", "admin-api"], scope: "write" };
