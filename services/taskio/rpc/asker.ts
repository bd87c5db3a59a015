import type { HandlerContext } from "@connectrpc/connect";
import { callerOf } from "../../../lib/rpc/authenticate.ts";
import type { Asker } from "../access.ts";

/** Who calls, as far as tasks are concerned. */
export function askerOf(context: HandlerContext): Asker {
  const { clientId, audience } = callerOf(context);
  return { clientId, isAdmin: audience === "admin-api" };
}
