import type { HandlerContext } from "@connectrpc/connect";
import { callerOf } from "../../../lib/rpc/authenticate.ts";
import { accessTokenIssuer, callerAddressHeader, issuerHeader } from "../../../lib/rpc/tokens.ts";
import type { Manager } from "../client-management.ts";
import type { TokenOrigin } from "../tokens.ts";

/** An IPv6 address with a zone is shorter. */
const maxAddressLength = 100;

/** What a token may name as its issuer (RFC 8414 §2). */
const issuerForm = /^https?:\/\/[^\s?#]{1,250}$/;

/** Where a call came from, as the gateway saw it; empty when it did not come through one. */
export function addressOf({ requestHeader }: Pick<HandlerContext, "requestHeader">): string {
  return (requestHeader.get(callerAddressHeader) ?? "").slice(0, maxAddressLength);
}

/** Where a call for tokens came from, as the gateway saw it. */
export function tokenOriginOf(context: Pick<HandlerContext, "requestHeader">): TokenOrigin {
  const issuer = context.requestHeader.get(issuerHeader) ?? "";
  const isIssuer = issuerForm.test(issuer) && URL.canParse(issuer);
  return { address: addressOf(context), issuer: isIssuer ? issuer : accessTokenIssuer };
}

/** Who manages clients by this call. */
export function managerOf(context: HandlerContext): Manager {
  const { clientId, audience } = callerOf(context);
  return { clientId, isAdmin: audience === "admin-api", address: addressOf(context) };
}
