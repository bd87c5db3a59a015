import { z } from "zod";
import type { IssueTokenResponse } from "../../../../gen/antiphon/auth/v1/auth_service_pb.ts";
import { audienceOf } from "../../../../lib/rpc/audience-message.ts";
import type { HttpAnswer } from "../../http/route.ts";
import { instantOf } from "../../instant.ts";

/** Tokens, with the fields of RFC 6749 §5.1 and those of the Waldiez runner. */
export const tokensSchema = z.object({
  access_token: z.string(),
  refresh_token: z.string(),
  token_type: z.literal("bearer"),
  expires_in: z.int().describe("How long the access token is good, in seconds."),
  expires_at: z.iso.datetime(),
  refresh_expires_in: z.int().describe("How long the refresh token is good, in seconds."),
  refresh_expires_at: z.iso.datetime(),
  audience: z.string(),
  scope: z.string().describe("What the tokens may be used for, with spaces between."),
});

/** No cache may keep tokens; HTTP/1.0 caches know this word for it (RFC 6749 §5.1). */
export const notCached = { pragma: "no-cache" } as const;

/** Answers tokens that auth issued. */
export function tokenAnswer(issued: Omit<IssueTokenResponse, "$typeName">): HttpAnswer {
  const { accessToken, refreshToken, audience, scopes } = issued;
  const end = instantOf(issued.expiresAt);
  const refreshEnd = instantOf(issued.refreshExpiresAt);
  const body: z.output<typeof tokensSchema> = {
    access_token: accessToken,
    refresh_token: refreshToken,
    token_type: "bearer",
    expires_in: secondsUntil(end),
    expires_at: end.toISOString(),
    refresh_expires_in: secondsUntil(refreshEnd),
    refresh_expires_at: refreshEnd.toISOString(),
    audience: audienceOf(audience) ?? "",
    scope: scopes.join(" "),
  };
  return { status: 200, body, headers: notCached };
}

function secondsUntil(end: Date): number {
  return Math.max(0, Math.floor((end.getTime() - Date.now()) / 1_000));
}
