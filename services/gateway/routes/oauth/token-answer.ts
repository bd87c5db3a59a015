import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import { z } from "zod";
import type { IssueTokenResponse } from "../../../../gen/antiphon/auth/v1/auth_service_pb.ts";
import { type Audience, AudienceSchema } from "../../../../gen/antiphon/auth/v1/client_pb.ts";
import type { HttpAnswer } from "../../http/route.ts";

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
  const end = instant(issued.expiresAt);
  const refreshEnd = instant(issued.refreshExpiresAt);
  const body: z.output<typeof tokensSchema> = {
    access_token: accessToken,
    refresh_token: refreshToken,
    token_type: "bearer",
    expires_in: secondsUntil(end),
    expires_at: end.toISOString(),
    refresh_expires_in: secondsUntil(refreshEnd),
    refresh_expires_at: refreshEnd.toISOString(),
    audience: audienceName(audience),
    scope: scopes.join(" "),
  };
  return { status: 200, body, headers: notCached };
}

/** `AUDIENCE_TASKS_API` as it stands in tokens: `tasks-api`. */
export function audienceName(audience: Audience): string {
  const name = AudienceSchema.value[audience]?.name ?? "";
  return name
    .replace(/^AUDIENCE_/, "")
    .replaceAll("_", "-")
    .toLowerCase();
}

function instant(at: Timestamp | undefined): Date {
  return at === undefined ? new Date(0) : timestampDate(at);
}

function secondsUntil(end: Date): number {
  return Math.max(0, Math.floor((end.getTime() - Date.now()) / 1_000));
}
