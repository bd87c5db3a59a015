import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { Client } from "@connectrpc/connect";
import type { AuthService } from "../../gen/antiphon/auth/v1/auth_service_pb.ts";

/** Who calls: a client with its secret, or a token that somebody else got. */
export type Credentials =
  | { readonly clientId: string; readonly clientSecret: string }
  | { readonly token: string };

/** A token is renewed so long before its end that a call begun with it still gets through. */
const renewBeforeEndMs = 60_000;

/** The token that calls bear: got when one is needed first, renewed before it ends, by one call however many ask. */
export class AccessToken {
  readonly #issue: () => Promise<{ readonly token: string; readonly renewAt: number }>;
  #held: Promise<{ readonly token: string; readonly renewAt: number }> | undefined;

  constructor(auth: Pick<Client<typeof AuthService>, "issueToken">, credentials: Credentials) {
    this.#issue = async () => {
      if ("token" in credentials) return { token: credentials.token, renewAt: Number.POSITIVE_INFINITY };
      const { accessToken, expiresAt } = await auth.issueToken(credentials);
      const endsAt = expiresAt === undefined ? 0 : timestampDate(expiresAt).getTime();
      return { token: accessToken, renewAt: endsAt - renewBeforeEndMs };
    };
  }

  /** The token. Rejects as the call that gets one does, and tries again the next time. */
  async get(): Promise<string> {
    const held = await (this.#held ??= this.#issueOnce());
    if (Date.now() < held.renewAt) return held.token;
    return (await (this.#held = this.#issueOnce())).token;
  }

  /** To be called when a token was refused: the next call gets another. */
  forget(): void {
    this.#held = undefined;
  }

  #issueOnce(): Promise<{ readonly token: string; readonly renewAt: number }> {
    const issuing = this.#issue();
    issuing.catch(() => {
      if (this.#held === issuing) this.#held = undefined;
    });
    return issuing;
  }
}
