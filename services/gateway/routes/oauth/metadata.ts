import { z } from "zod";
import { allScopes } from "../../../../lib/rpc/access.ts";
import { keySetPath } from "../../../../lib/rpc/key-set.ts";
import { HttpRefusal } from "../../http/http-refusal.ts";
import { type HttpRoute, httpRoute } from "../../http/route.ts";
import type { IssuerOf } from "./issuer.ts";

const authMethods = ["client_secret_basic", "client_secret_post"];

const metadata = z.object({
  issuer: z.url(),
  token_endpoint: z.url(),
  revocation_endpoint: z.url(),
  introspection_endpoint: z.url(),
  jwks_uri: z.url(),
  grant_types_supported: z.array(z.string()),
  response_types_supported: z.array(z.string()),
  scopes_supported: z.array(z.string()),
  token_endpoint_auth_methods_supported: z.array(z.string()),
  revocation_endpoint_auth_methods_supported: z.array(z.string()),
  introspection_endpoint_auth_methods_supported: z.array(z.string()),
});

/**
 * `GET /.well-known/oauth-authorization-server` (RFC 8414), and the same under the
 * name that OpenID Connect has for it, where many clients look first.
 */
export function metadataRoutes(issuerOf: IssuerOf): readonly HttpRoute[] {
  return ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"].map((path) =>
    httpRoute({
      method: "GET",
      path,
      access: "open",
      tag: "Identity",
      summary: "Tells OAuth clients where to get tokens, and how",
      style: "problem",
      responses: {
        200: { description: "The metadata.", schema: metadata },
        404: { description: "The server does not know its own URL: `PUBLIC_URL` is not set." },
      },
      async handle({ request }) {
        const issuer = issuerOf(request);
        if (issuer === undefined) {
          throw new HttpRefusal(404, "this server does not know its own URL: PUBLIC_URL is not set", {
            reason: "ROUTE_NOT_FOUND",
          });
        }
        return { status: 200, body: metadataOf(issuer) };
      },
    }),
  );
}

function metadataOf(issuer: string): z.output<typeof metadata> {
  return {
    issuer,
    token_endpoint: `${issuer}/auth/token`,
    revocation_endpoint: `${issuer}/auth/revoke`,
    introspection_endpoint: `${issuer}/auth/introspect`,
    jwks_uri: `${issuer}${keySetPath}`,
    grant_types_supported: ["client_credentials", "refresh_token"],
    // There is no endpoint at which a person logs in.
    response_types_supported: [],
    scopes_supported: [...allScopes],
    token_endpoint_auth_methods_supported: authMethods,
    revocation_endpoint_auth_methods_supported: authMethods,
    introspection_endpoint_auth_methods_supported: authMethods,
  };
}
