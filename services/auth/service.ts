import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import type { AuthService } from "../../gen/antiphon/auth/v1/auth_service_pb.ts";
import { Audience as WireAudience } from "../../gen/antiphon/auth/v1/client_pb.ts";
import { DomainError } from "../../lib/errors/domain-error.ts";
import { callerOf } from "../../lib/rpc/authenticate.ts";
import type { AccessToken } from "./access-token.ts";
import type { Audience, Client } from "./client.ts";
import type { ClientStore } from "./client-store.ts";
import type { SecretHash } from "./secret-hash.ts";
import { validCredentials } from "./validate.ts";

/** What the RPCs need. */
export interface AuthServiceNeeds {
  readonly clients: Pick<ClientStore, "find">;
  readonly secretHash: Pick<SecretHash, "matches">;
  readonly issue: (client: Client) => Promise<AccessToken>;
}

const wireAudience: Readonly<Record<Audience, WireAudience>> = {
  "tasks-api": WireAudience.TASKS_API,
  "clients-api": WireAudience.CLIENTS_API,
  "admin-api": WireAudience.ADMIN_API,
  "workers-api": WireAudience.WORKERS_API,
};

/** Answers AuthService. */
export function authService({
  clients,
  secretHash,
  issue,
}: AuthServiceNeeds): Pick<ServiceImpl<typeof AuthService>, "issueToken" | "whoAmI"> {
  return {
    async issueToken(request) {
      const { clientId, clientSecret } = validCredentials(request);
      const client = await clients.find(clientId);
      // Checked also when there is no client, so that the time tells nothing.
      const isRight = await secretHash.matches(clientSecret, client?.secretHash);
      if (client === undefined || !isRight) {
        throw new DomainError("CREDENTIALS_INVALID", "no client has this id and secret");
      }
      const { token, expiresAt } = await issue(client);
      return {
        accessToken: token,
        expiresAt: timestampFromDate(expiresAt),
        audience: wireAudience[client.audience],
      };
    },

    async whoAmI(_request, context) {
      const { clientId, expiresAt } = callerOf(context);
      const client = await clients.find(clientId);
      if (client === undefined)
        throw new DomainError("TOKEN_INVALID", "the client of this token does not exist");
      return {
        client: { clientId, audience: wireAudience[client.audience], name: client.name },
        expiresAt: timestampFromDate(expiresAt),
      };
    },
  };
}
