import { z } from "zod";
import { Audience } from "../../../../gen/antiphon/auth/v1/client_pb.ts";
import { audienceMessage } from "../../../../lib/rpc/audience-message.ts";
import { fromConnectError } from "../../../../lib/rpc/from-connect-error.ts";
import { publicAudiences } from "../../../../lib/rpc/tokens.ts";
import { HttpRefusal } from "../../http/http-refusal.ts";
import { type HttpAnswer, type HttpCall, type HttpRoute, httpRoute } from "../../http/route.ts";
import { type IssuerOf, issuerHeaders } from "./issuer.ts";
import { oauthRefusal } from "./oauth-refusal.ts";
import { tokenAnswer, tokensSchema } from "./token-answer.ts";

const refreshRequest = z.object({
  refresh_token: z.string().min(1),
  audience: z
    .union([z.string(), z.array(z.string())])
    .nullish()
    .describe("The audience of the tokens; of a list the client's must be one."),
});

/** Tokens that begin as JWTs do are access tokens: a refresh token of ours has no parts. */
const jwtForm = /^[\w-]+\.[\w-]+\.[\w-]*$/;

/** `POST /auth/token/refresh` and `/auth/refresh`, which clients of the Waldiez runner know. */
export function refreshRoutes(issuerOf: IssuerOf): readonly HttpRoute[] {
  return ["/auth/token/refresh", "/auth/refresh"].map((path) =>
    httpRoute({
      method: "POST",
      path,
      access: "open",
      tag: "Identity",
      summary: "Exchanges a refresh token for the next tokens",
      style: "oauth",
      body: { kinds: ["json", "form"], schema: refreshRequest },
      responses: { 200: { description: "The tokens.", schema: tokensSchema } },
      async handle(call) {
        const { refresh_token: refreshToken, audience } = call.body;
        if (jwtForm.test(refreshToken))
          throw new HttpRefusal(400, "Invalid token type", {
            reason: "TOKEN_INVALID",
            oauthError: "invalid_grant",
          });
        return await refreshed(call, { refreshToken, audiences: audiencesOf(audience) }, issuerOf);
      },
    }),
  );
}

/** Exchanges a refresh token, if it is for one of the audiences; none is any. It is not used up by a wrong one, so each is tried. */
async function refreshed(
  call: Pick<HttpCall, "clients" | "request">,
  { refreshToken, audiences }: { readonly refreshToken: string; readonly audiences: readonly Audience[] },
  issuerOf: IssuerOf,
): Promise<HttpAnswer> {
  const headers = issuerHeaders(call, issuerOf);
  for (const audience of audiences.length === 0 ? [Audience.UNSPECIFIED] : audiences) {
    try {
      return tokenAnswer(await call.clients.auth.refreshToken({ refreshToken, audience }, { headers }));
    } catch (thrown) {
      const isOther = fromConnectError(thrown).faults.some(({ path }) => path === "audience");
      if (!isOther) throw oauthRefusal(thrown, { authorization: undefined, grantStatus: 401 });
    }
  }
  throw audienceRefused();
}

/** The audiences that are named, each once. Throws `invalid_grant` when one is none. */
function audiencesOf(named: string | readonly string[] | null | undefined): readonly Audience[] {
  return [...new Set([named ?? []].flat())].map((name) => {
    const audience = publicAudiences.find((known) => known === name);
    if (audience === undefined) throw audienceRefused();
    return audienceMessage(audience);
  });
}

function audienceRefused(): HttpRefusal {
  return new HttpRefusal(401, "Invalid credentials.", {
    reason: "WRONG_AUDIENCE",
    oauthError: "invalid_grant",
    headers: { "www-authenticate": 'Bearer realm="antiphon"' },
  });
}
