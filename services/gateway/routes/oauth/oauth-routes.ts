import type { HttpRoute } from "../../http/route.ts";
import { introspectRoutes } from "./introspect.ts";
import { issuerOf } from "./issuer.ts";
import { keysRoute } from "./keys.ts";
import { metadataRoutes } from "./metadata.ts";
import { refreshRoutes } from "./refresh.ts";
import { revokeRoutes } from "./revoke.ts";
import { tokenRoutes } from "./token.ts";

/** The routes by which OAuth 2.0 clients get, keep and give back tokens. */
export function oauthRoutes({
  fetchKeys,
  publicUrl,
}: {
  /** Answers the public keys that tokens are signed with, as a JSON Web Key Set. */
  readonly fetchKeys: () => Promise<object>;
  /** By which the world knows this server, without a slash behind it; undefined when nobody said. */
  readonly publicUrl: string | undefined;
}): readonly HttpRoute[] {
  const issuer = issuerOf(publicUrl);
  return [
    ...tokenRoutes(issuer),
    ...refreshRoutes(issuer),
    ...revokeRoutes(),
    ...introspectRoutes(),
    keysRoute(fetchKeys),
    ...metadataRoutes(issuer),
  ];
}
