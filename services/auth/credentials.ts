import { DomainError } from "../../lib/errors/domain-error.ts";
import type { AuditStore } from "./audit-store.ts";
import type { ClientStore, StoredClient } from "./client-store.ts";
import type { SecretAttempts } from "./secret-attempts.ts";
import type { SecretHash } from "./secret-hash.ts";

export interface CredentialsNeeds {
  readonly clients: Pick<ClientStore, "find">;
  readonly secretHash: Pick<SecretHash, "matches">;
  readonly attempts: SecretAttempts;
  readonly audit: Pick<AuditStore, "note">;
}

/** An id and a secret as they were shown, and from where. */
export interface ShownCredentials {
  readonly clientId: string;
  readonly clientSecret: string;
  readonly address: string;
}

/**
 * The client that an id and a secret are of. Rejects with CREDENTIALS_INVALID
 * when there is none that may be used, in the same time and words whatever it is
 * that is wrong, and with RATE_LIMITED as `SecretAttempts` says.
 */
export type CheckCredentials = (shown: ShownCredentials) => Promise<StoredClient>;

export function credentialsCheck({
  clients,
  secretHash,
  attempts,
  audit,
}: CredentialsNeeds): CheckCredentials {
  return async ({ clientId, clientSecret, address }) => {
    attempts.admit(clientId, clientSecret);
    const client = await clients.find(clientId);
    // Checked also when there is no client, so that the time tells nothing.
    const isRight = await secretHash.matches(clientSecret, client?.secretHash, client?.formerSecretHash);
    if (client === undefined || !isRight || client.isDisabled || client.isDeleted) {
      attempts.failed(clientId, clientSecret);
      await audit.note("token_refused", { clientId, address });
      throw new DomainError("CREDENTIALS_INVALID", "no client has this id and secret");
    }
    attempts.succeeded(clientId);
    return client;
  };
}
