import { fromConnectError } from "../../../../lib/rpc/from-connect-error.ts";
import { HttpRefusal } from "../../http/http-refusal.ts";

/** How clients of the Waldiez runner know a refusal of credentials. */
const invalidCredentials = "Invalid credentials.";

/** The refusal of a client, with the challenge for the way by which it showed itself (RFC 6749 §5.2). */
export function clientRefused(authorization: string | undefined, message = invalidCredentials): HttpRefusal {
  const isBasic = authorization !== undefined && /^basic\b/i.test(authorization);
  return new HttpRefusal(401, message, {
    reason: "CREDENTIALS_INVALID",
    oauthError: "invalid_client",
    // Without it a browser would ask its user for a password.
    headers: { "www-authenticate": isBasic ? 'Basic realm="antiphon"' : 'Bearer realm="antiphon"' },
  });
}

/** The refusal of a request that lacks something. */
export function requestRefused(message: string): HttpRefusal {
  return new HttpRefusal(400, message, { reason: "FIELD_INVALID", oauthError: "invalid_request" });
}

/**
 * What auth threw, as OAuth calls it; anything that OAuth has no word for as it is.
 * `grantStatus` is the status of a refresh token that is refused: 400 by RFC 6749
 * §5.2, 401 for clients of the Waldiez runner.
 */
export function oauthRefusal(
  thrown: unknown,
  {
    authorization,
    grantStatus = 400,
  }: { readonly authorization: string | undefined; readonly grantStatus?: number },
): unknown {
  const { reason, message, faults } = fromConnectError(thrown);
  switch (reason) {
    case "CREDENTIALS_INVALID":
      return clientRefused(authorization);
    case "TOKEN_INVALID":
    case "TOKEN_EXPIRED":
    case "TOKEN_REVOKED":
      return new HttpRefusal(grantStatus, message, {
        reason,
        oauthError: "invalid_grant",
        headers: grantStatus === 401 ? { "www-authenticate": 'Bearer realm="antiphon"' } : {},
      });
    case "FIELD_INVALID": {
      const isScope = faults.some(({ path }) => path.startsWith("scopes"));
      return new HttpRefusal(400, message, {
        reason,
        oauthError: isScope ? "invalid_scope" : "invalid_request",
      });
    }
    default:
      return thrown;
  }
}
