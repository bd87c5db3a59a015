/** A client's id and secret, as the token endpoint got them. */
export interface Credentials {
  readonly clientId: string;
  readonly clientSecret: string;
}

/** What is wrong with a token request, in the words of RFC 6749 §5.2. */
export type TokenRequestError = "invalid_request" | "invalid_client" | "unsupported_grant_type";

/** What a token request asks for. */
export type TokenRequest =
  | { readonly kind: "credentials"; readonly credentials: Credentials }
  | { readonly kind: "refused"; readonly error: TokenRequestError; readonly description: string };

/**
 * Reads a token request: a form or a JSON object with `client_id`,
 * `client_secret` and optionally `grant_type`, or the first two by HTTP Basic,
 * but not by both ways (RFC 6749 §2.3).
 */
export function readTokenRequest(
  body: Readonly<Record<string, unknown>>,
  authorization: string | undefined,
): TokenRequest {
  const fields = textFields(body);
  if (fields === undefined) return refused("invalid_request", "a field is no text, or comes twice");
  const grantType = fields.get("grant_type") ?? "client_credentials";
  if (grantType !== "client_credentials") {
    return refused("unsupported_grant_type", "the only grant is client_credentials");
  }
  const inBody = pair(fields.get("client_id"), fields.get("client_secret"));
  if (authorization === undefined) {
    return inBody ?? refused("invalid_request", "client_id and client_secret are required");
  }
  if (fields.has("client_secret")) {
    return refused("invalid_request", "the secret is given both in the header and in the body");
  }
  return (
    basic(authorization) ?? refused("invalid_client", "the authorization header holds no basic credentials")
  );
}

/** The fields that are given; undefined when one is no text, as one that comes twice in a form (RFC 6749 §3.2). */
function textFields(body: Readonly<Record<string, unknown>>): ReadonlyMap<string, string> | undefined {
  const fields = Object.entries(body).filter(([, field]) => field !== null);
  return fields.every(isTextField) ? new Map(fields) : undefined;
}

function isTextField(field: [string, unknown]): field is [string, string] {
  return typeof field[1] === "string";
}

function basic(authorization: string): TokenRequest | undefined {
  const [, encoded] = /^basic +([\w+/=]+)$/i.exec(authorization) ?? [];
  if (encoded === undefined) return undefined;
  const [, clientId, clientSecret] = /^([^:]*):(.*)$/s.exec(Buffer.from(encoded, "base64").toString()) ?? [];
  try {
    // Both are form-encoded before they are joined (RFC 6749 §2.3.1).
    return pair(decodeForm(clientId), decodeForm(clientSecret));
  } catch {
    return undefined;
  }
}

function decodeForm(text: string | undefined): string | undefined {
  return text === undefined ? undefined : decodeURIComponent(text.replaceAll("+", " "));
}

function pair(clientId: string | undefined, clientSecret: string | undefined): TokenRequest | undefined {
  if (clientId === undefined || clientId === "" || clientSecret === undefined || clientSecret === "")
    return undefined;
  return { kind: "credentials", credentials: { clientId, clientSecret } };
}

function refused(error: TokenRequestError, description: string): TokenRequest {
  return { kind: "refused", error, description };
}
