import { timestampDate } from "@bufbuild/protobuf/wkt";
import { createClient, type Transport } from "@connectrpc/connect";
import { AuthService } from "../../gen/antiphon/auth/v1/auth_service_pb.ts";
import type { TokenSource } from "./internal-token.ts";

/** A token is renewed when less than this share of its life is left, so that one outage of auth can be sat out. */
const renewedAtLeft = 0.25;

export interface ClientCredentials {
  /** To a server that serves AuthService. */
  readonly transport: Transport;
  readonly clientId: string;
  readonly clientSecret: string;
}

interface Held {
  readonly token: string;
  readonly renewAt: number;
  readonly expiresAt: number;
}

/**
 * Gets tokens for a client and keeps each until it nears its end. However many
 * ask at once, one call is made. While auth is away a token is used to its end;
 * then asking rejects with what the call rejected with.
 */
export function clientCredentials({ transport, clientId, clientSecret }: ClientCredentials): TokenSource {
  const auth = createClient(AuthService, transport);
  let held: Held | undefined;
  let renewing: Promise<string> | undefined;

  const renew = async (): Promise<string> => {
    const askedAt = Date.now();
    const { accessToken, expiresAt } = await auth.issueToken({ clientId, clientSecret });
    const endsAt = expiresAt === undefined ? askedAt : timestampDate(expiresAt).getTime();
    held = { token: accessToken, expiresAt: endsAt, renewAt: endsAt - (endsAt - askedAt) * renewedAtLeft };
    return accessToken;
  };

  return async () => {
    const now = Date.now();
    if (held !== undefined && now < held.renewAt) return held.token;
    renewing ??= renew().finally(() => {
      renewing = undefined;
    });
    if (held === undefined || now >= held.expiresAt) return renewing;
    const { token } = held;
    return renewing.catch(() => token);
  };
}
