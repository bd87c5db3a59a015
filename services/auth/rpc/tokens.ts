import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import type { AuthService } from "../../../gen/antiphon/auth/v1/auth_service_pb.ts";
import { DomainError } from "../../../lib/errors/domain-error.ts";
import { audienceMessage } from "../../../lib/rpc/audience-message.ts";
import { callerOf } from "../../../lib/rpc/authenticate.ts";
import type { Audience } from "../client.ts";
import type { ClientStore } from "../client-store.ts";
import type { CheckCredentials } from "../credentials.ts";
import type { TokenPair, Tokens } from "../tokens.ts";
import { validAboutToken, validIssue, validRefresh } from "../validate.ts";
import { addressOf, tokenOriginOf } from "./caller.ts";
import { clientMessage } from "./client-message.ts";

export interface TokenRpcNeeds {
  readonly clients: Pick<ClientStore, "find">;
  readonly checkCredentials: CheckCredentials;
  readonly tokens: Pick<Tokens, "issue" | "refresh" | "revoke" | "introspect">;
}

type TokenRpcs = Pick<
  ServiceImpl<typeof AuthService>,
  "issueToken" | "refreshToken" | "revokeToken" | "introspectToken" | "whoAmI"
>;

/** Answers what clients ask about their tokens. */
export function tokenRpcs({ clients, checkCredentials, tokens }: TokenRpcNeeds): TokenRpcs {
  return {
    async issueToken(request, context) {
      const { scopes, ...shown } = validIssue(request);
      const origin = tokenOriginOf(context);
      const { clientId } = await checkCredentials({ ...shown, address: origin.address });
      return pairMessage(await tokens.issue(clientId, scopes, origin));
    },

    async refreshToken(request, context) {
      const { refreshToken: token, clientId, clientSecret, ...wanted } = validRefresh(request);
      const origin = tokenOriginOf(context);
      const client =
        clientId === "" ? undefined : await checkCredentials({ clientId, clientSecret, ...origin });
      return pairMessage(await tokens.refresh({ token, client, ...wanted }, origin));
    },

    async revokeToken(request, context) {
      const { token, ...shown } = validAboutToken(request);
      const address = addressOf(context);
      await tokens.revoke(await checkCredentials({ ...shown, address }), token, address);
      return {};
    },

    async introspectToken(request, context) {
      const { token, ...shown } = validAboutToken(request);
      const asking = await checkCredentials({ ...shown, address: addressOf(context) });
      const known = await tokens.introspect(asking, token);
      if (known === undefined) return { active: false };
      return {
        active: true,
        clientId: known.clientId,
        audience: audienceMessage(known.audience),
        scopes: [...known.scopes],
        issuedAt: timestampFromDate(known.issuedAt),
        expiresAt: timestampFromDate(known.expiresAt),
        refresh: known.isRefresh,
      };
    },

    async whoAmI(_request, context) {
      const { clientId, audience, expiresAt, scopes } = callerOf(context);
      const client = await clients.find(clientId);
      if (client?.isDeleted === true) throw new DomainError("TOKEN_REVOKED", "the token was taken back");
      // What calls with another issuer's token may have no record of its own.
      const standIn = { clientId, audience: audienceMessage(audience as Audience), scopes: [...scopes] };
      return {
        client: client === undefined ? standIn : clientMessage(client),
        expiresAt: timestampFromDate(expiresAt),
        scopes: [...scopes],
      };
    },
  };
}

function pairMessage({ access, refresh, audience, scopes }: TokenPair) {
  return {
    accessToken: access.token,
    expiresAt: timestampFromDate(access.expiresAt),
    audience: audienceMessage(audience),
    refreshToken: refresh.token,
    refreshExpiresAt: timestampFromDate(refresh.expiresAt),
    scopes: [...scopes],
  };
}
