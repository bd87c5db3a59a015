import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import { z } from "zod";
import type { IntrospectTokenResponse } from "../../../../gen/antiphon/auth/v1/auth_service_pb.ts";
import { audienceOf } from "../../../../lib/rpc/audience-message.ts";
import { type HttpRoute, httpRoute } from "../../http/route.ts";
import { clientRefused, oauthRefusal } from "./oauth-refusal.ts";
import { tokenQuestion } from "./revoke.ts";
import { shownClient } from "./shown-client.ts";
import { notCached } from "./token-answer.ts";

const introspection = z.object({
  active: z.boolean(),
  client_id: z.string().optional(),
  sub: z.string().optional(),
  aud: z.string().optional(),
  scope: z.string().optional(),
  token_type: z.literal("bearer").optional().describe("Of an access token."),
  iat: z.int().optional(),
  exp: z.int().optional(),
});

/** `POST /auth/introspect` and `/oauth2/introspect` (RFC 7662). */
export function introspectRoutes(): readonly HttpRoute[] {
  return ["/auth/introspect", "/oauth2/introspect"].map((path) =>
    httpRoute({
      method: "POST",
      path,
      access: "open",
      tag: "Identity",
      summary: "Answers whether a token is good, and whose",
      style: "oauth",
      body: { kinds: ["form", "json"], schema: tokenQuestion },
      responses: { 200: { description: "What is known of the token.", schema: introspection } },
      async handle(call) {
        const { body, clients } = call;
        const { authorization } = call.headers;
        const client = shownClient(call);
        if (client === undefined) throw clientRefused(authorization);
        const known = await clients.auth
          .introspectToken({ ...client, token: body.token })
          .catch((thrown: unknown) => {
            throw oauthRefusal(thrown, { authorization });
          });
        return { status: 200, body: shown(known), headers: notCached };
      },
    }),
  );
}

function shown(known: IntrospectTokenResponse): z.output<typeof introspection> {
  if (!known.active) return { active: false };
  return {
    active: true,
    client_id: known.clientId,
    sub: known.clientId,
    aud: audienceOf(known.audience) ?? "",
    scope: known.scopes.join(" "),
    ...(!known.refresh && { token_type: "bearer" as const }),
    ...(known.issuedAt && { iat: seconds(known.issuedAt) }),
    ...(known.expiresAt && { exp: seconds(known.expiresAt) }),
  };
}

function seconds(at: Timestamp): number {
  return Math.floor(timestampDate(at).getTime() / 1_000);
}
