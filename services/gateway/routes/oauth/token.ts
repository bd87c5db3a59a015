import { z } from "zod";
import { HttpRefusal } from "../../http/http-refusal.ts";
import { type HttpCall, type HttpRoute, httpRoute } from "../../http/route.ts";
import type { IssuerOf } from "./issuer.ts";
import { issuerHeaders } from "./issuer.ts";
import { oauthRefusal, requestRefused } from "./oauth-refusal.ts";
import { shownClient } from "./shown-client.ts";
import { tokenAnswer, tokensSchema } from "./token-answer.ts";

const field = z.string().nullish();

const tokenRequest = z
  .object({
    grant_type: field.describe("`client_credentials`, also when it is absent, or `refresh_token`."),
    client_id: field.describe("Unless by HTTP Basic."),
    client_secret: field.describe("Unless by HTTP Basic."),
    scope: field.describe("Some of the scopes, with spaces between; all when it is absent."),
    refresh_token: field.describe("For the grant `refresh_token`."),
  })
  .prefault({});

type TokenCall = HttpCall<unknown, unknown, z.output<typeof tokenRequest>>;

/** `POST /auth/token` and `/oauth2/token`: the grants client credentials and refresh token (RFC 6749 §4.4, §6). */
export function tokenRoutes(issuerOf: IssuerOf): readonly HttpRoute[] {
  return ["/auth/token", "/oauth2/token"].map((path) =>
    httpRoute({
      method: "POST",
      path,
      access: "open",
      tag: "Identity",
      summary: "Exchanges a client's id and secret, or a refresh token, for tokens",
      style: "oauth",
      body: { kinds: ["form", "json"], schema: tokenRequest, optional: true },
      responses: { 200: { description: "The tokens.", schema: tokensSchema } },
      async handle(call) {
        const grant = call.body.grant_type ?? "client_credentials";
        const answer = Object.hasOwn(grants, grant) ? grants[grant] : undefined;
        if (answer !== undefined) return await answer(call, issuerOf);
        const known = Object.keys(grants).join(" and ");
        throw new HttpRefusal(400, `the grants are ${known}`, { oauthError: "unsupported_grant_type" });
      },
    }),
  );
}

const grants: Readonly<
  Record<string, (call: TokenCall, issuerOf: IssuerOf) => ReturnType<HttpRoute["handle"]>>
> = {
  async client_credentials(call, issuerOf) {
    const { authorization } = call.headers;
    const client = shownClient(call);
    if (client === undefined) throw requestRefused("client_id and client_secret are required");
    try {
      const request = { ...client, scopes: scopesOf(call.body.scope) };
      return tokenAnswer(
        await call.clients.auth.issueToken(request, { headers: issuerHeaders(call, issuerOf) }),
      );
    } catch (thrown) {
      throw oauthRefusal(thrown, { authorization });
    }
  },

  async refresh_token(call, issuerOf) {
    const { authorization } = call.headers;
    const { refresh_token: refreshToken, scope } = call.body;
    if (!refreshToken) throw requestRefused("refresh_token is required");
    const client = shownClient(call);
    try {
      const request = { refreshToken, scopes: scopesOf(scope), ...client };
      return tokenAnswer(
        await call.clients.auth.refreshToken(request, { headers: issuerHeaders(call, issuerOf) }),
      );
    } catch (thrown) {
      throw oauthRefusal(thrown, { authorization });
    }
  },
};

function scopesOf(scope: string | null | undefined): string[] {
  return (scope ?? "").split(" ").filter((name) => name !== "");
}
