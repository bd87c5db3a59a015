import type { HttpRoute } from "../../http/route.ts";
import { keysRoute } from "./keys.ts";
import { tokenRoute } from "./token.ts";

/** The routes by which OAuth 2.0 clients get and keep tokens. */
export function oauthRoutes({
  fetchKeys,
}: {
  /** Answers the public keys that tokens are signed with, as a JSON Web Key Set. */
  readonly fetchKeys: () => Promise<object>;
}): readonly HttpRoute[] {
  return [tokenRoute(), keysRoute(fetchKeys)];
}
