import { ShortMemory } from "../../../lib/async/short-memory.ts";
import { DomainError } from "../../../lib/errors/domain-error.ts";
import type { Database } from "../../../lib/postgres/database.ts";
import type { AccessToken, TokenGrant } from "../access-token.ts";
import { auditStore } from "../audit-store.ts";
import { clientStore } from "../client-store.ts";

/** A gateway asks for a token again and again while it is used; it is noted once in this time that somebody came. */
const notedMs = 3_600_000;
const notedClients = 10_000;

export interface ExchangedTokensNeeds {
  readonly db: Pick<Database, "query" | "transaction">;
  readonly sign: (
    grant: TokenGrant,
    life: { readonly issuedAt: Date; readonly lifetimeMs: number },
  ) => Promise<AccessToken>;
}

/** What is to be issued, and for how long, to whom. */
export interface Exchanged {
  readonly grant: TokenGrant;
  /** Whether the grant is for a client that has a record. */
  readonly isRegistered: boolean;
  readonly lifetimeMs: number;
  /** From where the other token was shown. */
  readonly address: string;
}

/**
 * Issues tokens that are given for those of others. One for a client is issued
 * while the client is held (T2 in `tokens.ts`), so disabling the client hits it,
 * and with scopes that the client has then.
 * Rejects with TOKEN_REVOKED when the client can not be used any more.
 */
export function exchangedTokens({
  db,
  sign,
}: ExchangedTokensNeeds): (exchanged: Exchanged) => Promise<AccessToken> {
  const noted = new ShortMemory<true>(notedClients);

  const issued = async ({ grant, isRegistered, lifetimeMs }: Exchanged): Promise<AccessToken> => {
    if (!isRegistered) return await sign(grant, { issuedAt: new Date(), lifetimeMs });
    return await db.transaction(async (transaction) => {
      const held = await clientStore(transaction).hold(grant.clientId);
      if (held === undefined)
        throw new DomainError("TOKEN_REVOKED", "the client that the token names is disabled or deleted");
      // It may have lost some since the other token was looked at.
      const scopes = grant.scopes.filter((scope) => held.client.scopes.includes(scope));
      return await sign({ ...grant, scopes }, { issuedAt: held.issuedAt, lifetimeMs });
    });
  };

  return async (exchanged) => {
    const token = await issued(exchanged);
    const { clientId } = exchanged.grant;
    if (noted.get(clientId) === undefined) {
      noted.set(clientId, true, notedMs);
      await auditStore(db).note("token_exchanged", { clientId, address: exchanged.address });
    }
    return token;
  };
}
