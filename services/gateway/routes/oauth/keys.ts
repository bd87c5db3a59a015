import { z } from "zod";
import { keySetPath } from "../../../../lib/rpc/key-set.ts";
import { HttpRefusal } from "../../http/http-refusal.ts";
import { type HttpRoute, httpRoute } from "../../http/route.ts";

/** How long a key set may be kept: shorter than a new key waits before it signs. */
const keysMaxAge = "public, max-age=60";

/** `GET /.well-known/jwks.json`: the public keys that tokens are signed with (RFC 7517). */
export function keysRoute(fetchKeys: () => Promise<object>): HttpRoute {
  return httpRoute({
    method: "GET",
    path: keySetPath,
    access: "open",
    tag: "Identity",
    summary: "Lists the public keys that tokens are signed with",
    style: "oauth",
    responses: {
      200: {
        description: "The keys.",
        schema: z.object({ keys: z.array(z.record(z.string(), z.unknown())) }),
      },
    },
    async handle() {
      try {
        return { status: 200, body: await fetchKeys(), headers: { "cache-control": keysMaxAge } };
      } catch (cause) {
        throw new HttpRefusal(503, "the keys can not be had at the moment", {
          reason: "SERVICE_UNAVAILABLE",
          headers: { "retry-after": "1" },
          cause,
        });
      }
    },
  });
}
