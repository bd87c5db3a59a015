import type { HandlerContext } from "@connectrpc/connect";
import { callerOf } from "../../../lib/rpc/authenticate.ts";
import type { Manager } from "../client-management.ts";

/** An IPv6 address with a zone is shorter. */
const maxAddressLength = 100;

/** Where a call came from, as the gateway saw it; empty when it did not come through one. */
export function addressOf({ requestHeader }: Pick<HandlerContext, "requestHeader">): string {
  return (requestHeader.get("x-antiphon-caller-address") ?? "").slice(0, maxAddressLength);
}

/** Who manages clients by this call. */
export function managerOf(context: HandlerContext): Manager {
  const { clientId, audience } = callerOf(context);
  return { clientId, isAdmin: audience === "admin-api", address: addressOf(context) };
}
