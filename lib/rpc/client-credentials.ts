import { timestampDate } from "@bufbuild/protobuf/wkt";
import { createClient, type Transport } from "@connectrpc/connect";
import { AuthService } from "../../gen/antiphon/auth/v1/auth_service_pb.ts";
import type { TokenSource } from "./internal-token.ts";

/** A token is renewed when less than this share of its life is left, so that one outage of auth can be sat out. */
const renewedAtLeft = 0.25;

/** A token that is refused sooner than this is no worse than the next, which is not asked for at once. */
const triedForMs = 1_000;

export interface ClientCredentials {
  /** To a server that serves AuthService. */
  readonly transport: Transport;
  readonly clientId: string;
  readonly clientSecret: string;
}

interface Held {
  readonly token: string;
  readonly heldSince: number;
  readonly renewAt: number;
  readonly expiresAt: number;
}

/**
 * Gets tokens for a client and keeps each until it nears its end. However many
 * ask at once, one call is made. While auth is away a token is used to its end;
 * then asking rejects with what the call rejected with. One that was refused, as
 * all of a client are that was disabled for a while, is used no more.
 */
export function clientCredentials({ transport, clientId, clientSecret }: ClientCredentials): TokenSource {
  const auth = createClient(AuthService, transport);
  let held: Held | undefined;
  let renewing: Promise<string> | undefined;

  const renew = async (): Promise<string> => {
    const askedAt = Date.now();
    const { accessToken, expiresAt } = await auth.issueToken({ clientId, clientSecret });
    const endsAt = expiresAt === undefined ? askedAt : timestampDate(expiresAt).getTime();
    held = {
      token: accessToken,
      heldSince: askedAt,
      expiresAt: endsAt,
      renewAt: endsAt - (endsAt - askedAt) * renewedAtLeft,
    };
    return accessToken;
  };

  const current = async (): Promise<string> => {
    const now = Date.now();
    if (held !== undefined && now < held.renewAt) return held.token;
    renewing ??= renew().finally(() => {
      renewing = undefined;
    });
    if (held === undefined || now >= held.expiresAt) return renewing;
    const { token } = held;
    return renewing.catch(() => token);
  };
  return Object.assign(current, {
    onRefused: (token: string) => {
      if (held?.token === token && Date.now() - held.heldSince > triedForMs) held = undefined;
    },
  });
}
