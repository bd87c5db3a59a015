import { z } from "zod";
import { type HttpRoute, httpRoute } from "../../http/route.ts";
import { clientRefused, oauthRefusal } from "./oauth-refusal.ts";
import { shownClient } from "./shown-client.ts";
import { notCached } from "./token-answer.ts";

/** What `revoke` and `introspect` are asked about, and by whom. */
export const tokenQuestion = z.object({
  token: z.string().min(1),
  token_type_hint: z.string().nullish().describe("Tells nothing that the token does not."),
  client_id: z.string().nullish().describe("Unless by HTTP Basic."),
  client_secret: z.string().nullish().describe("Unless by HTTP Basic."),
});

/** `POST /auth/revoke` and `/oauth2/revoke` (RFC 7009). */
export function revokeRoutes(): readonly HttpRoute[] {
  return ["/auth/revoke", "/oauth2/revoke"].map((path) =>
    httpRoute({
      method: "POST",
      path,
      access: "open",
      tag: "Identity",
      summary: "Takes a token back",
      style: "oauth",
      body: { kinds: ["form", "json"], schema: tokenQuestion },
      responses: { 200: { description: "The token is refused from now on, or was none." } },
      async handle(call) {
        const { body, clients } = call;
        const { authorization } = call.headers;
        const client = shownClient(call);
        if (client === undefined) throw clientRefused(authorization);
        await clients.auth.revokeToken({ ...client, token: body.token }).catch((thrown: unknown) => {
          throw oauthRefusal(thrown, { authorization });
        });
        return { status: 200, headers: notCached };
      },
    }),
  );
}
