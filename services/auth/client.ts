import type { Scope } from "../../lib/rpc/access.ts";
import type { publicAudiences } from "../../lib/rpc/tokens.ts";

/** What a client's tokens are good for. */
export type Audience = (typeof publicAudiences)[number];

/** Who may call. */
export interface Client {
  readonly clientId: string;
  /** A UUID. */
  readonly uid: string;
  readonly audience: Audience;
  /** For people. */
  readonly name: string;
  readonly description: string;
  /** What its tokens may at most be used for. */
  readonly scopes: readonly Scope[];
  /** Gets no tokens. */
  readonly isDisabled: boolean;
  /** Gone, but for its id. */
  readonly isDeleted: boolean;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  /** Until when the secret before is good; absent when it is not any more, or there was none. */
  readonly formerSecretExpiresAt?: Date;
}

/** A client as it is to be made. */
export type NewClient = Pick<Client, "clientId" | "audience" | "name" | "description" | "scopes">;

/** A client and its secret, with the names that `clients.json` has for them. */
export interface ClientCredentials {
  readonly client_id: string;
  readonly client_secret: string;
  readonly audience: Audience;
  readonly name: string;
}
