import { timestampDate } from "@bufbuild/protobuf/wkt";
import { z } from "zod";
import type { IssueTokenResponse } from "../../../../gen/antiphon/auth/v1/auth_service_pb.ts";
import { type Audience, AudienceSchema } from "../../../../gen/antiphon/auth/v1/client_pb.ts";
import { fromConnectError } from "../../../../lib/rpc/from-connect-error.ts";
import { HttpRefusal } from "../../http/http-refusal.ts";
import { type HttpCall, type HttpRoute, httpRoute } from "../../http/route.ts";
import { readTokenRequest } from "./token-request.ts";

const tokens = z.object({
  access_token: z.string(),
  token_type: z.literal("Bearer"),
  expires_in: z.int().describe("In seconds."),
  expires_at: z.iso.datetime(),
  audience: z.string(),
  scope: z.string(),
});

/** `POST /auth/token`: OAuth 2.0 client credentials (RFC 6749 §4.4), with errors as its §5.2 has them. */
export function tokenRoute(): HttpRoute {
  return httpRoute({
    method: "POST",
    path: "/auth/token",
    access: "open",
    tag: "Identity",
    summary: "Exchanges a client's id and secret for tokens",
    style: "oauth",
    body: { kinds: ["form", "json"], schema: z.record(z.string(), z.unknown()).default({}), optional: true },
    responses: { 200: { description: "The tokens.", schema: tokens } },
    async handle(call) {
      const { authorization } = call.headers;
      const asked = readTokenRequest(call.body, authorization);
      const challenge: Record<string, string> =
        authorization === undefined ? {} : { "www-authenticate": 'Basic realm="antiphon"' };
      if (asked.kind === "refused") {
        const { error: oauthError, description } = asked;
        const isClient = oauthError === "invalid_client";
        throw new HttpRefusal(isClient ? 401 : 400, description, {
          oauthError,
          headers: { pragma: "no-cache", ...(isClient && challenge) },
        });
      }
      return {
        status: 200,
        body: tokenFields(await issued(call, asked.credentials, challenge)),
        headers: { pragma: "no-cache" },
      };
    },
  });
}

async function issued(
  { clients }: Pick<HttpCall, "clients">,
  credentials: { readonly clientId: string; readonly clientSecret: string },
  challenge: Readonly<Record<string, string>>,
): Promise<IssueTokenResponse> {
  try {
    return await clients.auth.issueToken(credentials);
  } catch (thrown) {
    const { reason, message } = fromConnectError(thrown);
    if (reason !== "CREDENTIALS_INVALID") throw thrown;
    const headers = { pragma: "no-cache", ...challenge };
    throw new HttpRefusal(401, message, { reason, headers, oauthError: "invalid_client" });
  }
}

function tokenFields({ accessToken, expiresAt, audience }: IssueTokenResponse): object {
  const end = expiresAt === undefined ? new Date(0) : timestampDate(expiresAt);
  return {
    access_token: accessToken,
    token_type: "Bearer",
    expires_in: Math.max(0, Math.floor((end.getTime() - Date.now()) / 1000)),
    expires_at: end.toISOString(),
    audience: audienceName(audience),
    scope: "",
  };
}

/** `AUDIENCE_TASKS_API` as it stands in tokens: `tasks-api`. */
function audienceName(audience: Audience): string {
  const name = AudienceSchema.value[audience]?.name ?? "";
  return name
    .replace(/^AUDIENCE_/, "")
    .replaceAll("_", "-")
    .toLowerCase();
}
