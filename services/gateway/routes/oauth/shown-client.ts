import { HttpRefusal } from "../../http/http-refusal.ts";
import type { HttpCall } from "../../http/route.ts";
import { clientRefused } from "./oauth-refusal.ts";

/** A client's id and secret, as a request shows them. */
export interface ShownClient {
  readonly clientId: string;
  readonly clientSecret: string;
}

/** The fields in which a client may show itself instead of by HTTP Basic. */
export interface ClientFields {
  readonly client_id?: string | null | undefined;
  readonly client_secret?: string | null | undefined;
}

/**
 * Who a request says that it is from: by HTTP Basic, or by its fields, but not by
 * both (RFC 6749 §2.3); undefined when it does not say. One that says so counts as
 * a login of that client. A header of another scheme
 * says nothing about the client.
 *
 * Throws `invalid_client` for a Basic header that can not be read, and
 * `invalid_request` for a secret that comes both ways, and RATE_LIMITED.
 */
export function shownClient({
  body,
  headers,
  countLogin,
}: Pick<HttpCall<unknown, unknown, ClientFields>, "body" | "headers" | "countLogin">):
  | ShownClient
  | undefined {
  const shown = clientIn(body, headers.authorization);
  if (shown !== undefined) countLogin(shown.clientId);
  return shown;
}

function clientIn(fields: ClientFields, authorization: string | undefined): ShownClient | undefined {
  const isBasic = authorization !== undefined && /^basic\b/i.test(authorization);
  if (!isBasic) return pair(fields.client_id ?? "", fields.client_secret ?? "");
  if (typeof fields.client_secret === "string") {
    throw new HttpRefusal(400, "the secret is given both in the header and in the body", {
      oauthError: "invalid_request",
    });
  }
  const shown = basic(authorization);
  if (shown === undefined) throw clientRefused(authorization, "the header holds no basic credentials");
  return shown;
}

function basic(authorization: string): ShownClient | undefined {
  const [, encoded] = /^basic +([\w+/=-]+)$/i.exec(authorization) ?? [];
  if (encoded === undefined) return undefined;
  const decoded = Buffer.from(encoded, "base64").toString();
  const [, clientId = "", clientSecret = ""] = /^([^:]*):(.*)$/s.exec(decoded) ?? [];
  try {
    // Both are form-encoded before they are joined (RFC 6749 §2.3.1).
    return pair(decodeForm(clientId), decodeForm(clientSecret));
  } catch {
    return undefined;
  }
}

function decodeForm(text: string): string {
  return decodeURIComponent(text.replaceAll("+", " "));
}

function pair(clientId: string, clientSecret: string): ShownClient | undefined {
  return clientId === "" || clientSecret === "" ? undefined : { clientId, clientSecret };
}
