import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { Client } from "@connectrpc/connect";
import type { AuthService, IssueTokenResponse } from "../../../gen/antiphon/auth/v1/auth_service_pb.ts";
import { type Audience, AudienceSchema } from "../../../gen/antiphon/auth/v1/client_pb.ts";
import { fromConnectError } from "../../../lib/rpc/from-connect-error.ts";
import type { ServerRequest } from "../../../lib/rpc/serve.ts";
import { type Answer, refusal } from "./answer.ts";
import { readBody } from "./read-body.ts";
import { type Credentials, readTokenRequest } from "./token-request.ts";

/** Answers `POST /auth/token`: OAuth 2.0 client credentials (RFC 6749 §4.4), with errors as its §5.2 has them. */
export async function token(
  request: ServerRequest,
  auth: Pick<Client<typeof AuthService>, "issueToken">,
): Promise<Answer> {
  const body = await readBody(request);
  if (body === undefined) return refused(413, "invalid_request", "the body is larger than 64 KiB");
  const { authorization, "content-type": contentType = "" } = request.headers;
  const asked = readTokenRequest(body.toString(), { contentType, authorization });
  const challenge = authorization === undefined ? {} : { "www-authenticate": 'Basic realm="antiphon"' };
  if (asked.kind === "refused") {
    return asked.error === "invalid_client"
      ? refused(401, asked.error, asked.description, challenge)
      : refused(400, asked.error, asked.description);
  }
  return issue(asked.credentials, auth, challenge);
}

async function issue(
  { clientId, clientSecret }: Credentials,
  auth: Pick<Client<typeof AuthService>, "issueToken">,
  challenge: Readonly<Record<string, string>>,
): Promise<Answer> {
  try {
    return {
      status: 200,
      body: tokenFields(await auth.issueToken({ clientId, clientSecret })),
      headers: { pragma: "no-cache" },
    };
  } catch (thrown) {
    const { reason, message } = fromConnectError(thrown);
    if (reason === "CREDENTIALS_INVALID") return refused(401, "invalid_client", message, challenge);
    if (reason === "FIELD_INVALID") return refused(400, "invalid_request", message);
    return refusal(503, "SERVICE_UNAVAILABLE", "tokens can not be issued at the moment", {
      "retry-after": "1",
    });
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

function refused(
  status: number,
  error: string,
  description: string,
  headers: Readonly<Record<string, string>> = {},
): Answer {
  return {
    status,
    body: { error, error_description: description },
    headers: { pragma: "no-cache", ...headers },
  };
}
