import type { publicAudiences } from "../../lib/rpc/tokens.ts";

/** What a client's tokens are good for. */
export type Audience = (typeof publicAudiences)[number];

/** Who may call. */
export interface Client {
  readonly clientId: string;
  readonly audience: Audience;
  /** For people. */
  readonly name: string;
}

/** A client and its secret, with the names that `clients.json` has for them. */
export interface ClientCredentials {
  readonly client_id: string;
  readonly client_secret: string;
  readonly audience: Audience;
  readonly name: string;
}
