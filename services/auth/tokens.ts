/*
 * Issues tokens and takes them back.
 *
 *   T1. Rows are locked in the order client, family, numbering of revocations;
 *       so nobody waits in a circle.
 *   T2. A token is issued while its client is held, at an instant that is not
 *       before the end of the tokens before; so what is taken back from a client
 *       hits every token that was issued before, and none that comes after.
 *   T3. The use of a refresh token and what comes of it are one transaction. Of
 *       two at once the second finds the first's use, and is a repeat.
 *   T4. What was taken back is known to this process before the caller hears of
 *       it.
 */
import { randomUUID } from "node:crypto";
import { DomainError } from "../../lib/errors/domain-error.ts";
import type { Database } from "../../lib/postgres/database.ts";
import type { Transaction } from "../../lib/postgres/session.ts";
import type { Scope } from "../../lib/rpc/access.ts";
import type { Caller, VerifyToken } from "../../lib/rpc/authenticate.ts";
import { type AccessToken, longestAccessTokenMs, type TokenGrant } from "./access-token.ts";
import { type AuditAction, auditStore } from "./audit-store.ts";
import type { Audience } from "./client.ts";
import { clientStore, type HeldClient, type StoredClient } from "./client-store.ts";
import { drawRefreshToken, isRefreshToken, refreshTokenHash, refreshVerdict } from "./refresh-token.ts";
import { type RefreshFamily, refreshTokenStore } from "./refresh-token-store.ts";
import { revocationStore } from "./revocation-store.ts";

/** From where tokens are asked for. */
export interface TokenOrigin {
  readonly address: string;
  /** As which issuer whoever asks knows this server. */
  readonly issuer: string;
}

/** How much longer than a token's life its revocation is kept, for clocks that differ. */
export const toleranceMs = 60_000;

/** Tokens and what they are good for. */
export interface TokenPair {
  readonly access: AccessToken;
  readonly refresh: AccessToken;
  readonly audience: Audience;
  readonly scopes: readonly Scope[];
}

/** What is known of a token that is good. */
export interface KnownToken {
  readonly clientId: string;
  readonly audience: Audience;
  readonly scopes: readonly Scope[];
  readonly issuedAt: Date;
  readonly expiresAt: Date;
  readonly isRefresh: boolean;
}

export interface TokensNeeds {
  readonly db: Pick<Database, "query" | "transaction">;
  readonly accessTokenMs: number;
  readonly refreshTokenMs: number;
  readonly sign: (grant: TokenGrant, life: { issuedAt: Date; lifetimeMs: number }) => Promise<AccessToken>;
  /** Says whose an access token is, with all that is known to be taken back. */
  readonly verify: VerifyToken;
  /** Resolves when this process knows what was taken back so far. */
  readonly learnRevocations: () => Promise<void>;
}

export class Tokens {
  readonly #needs: TokensNeeds;

  constructor(needs: TokensNeeds) {
    this.#needs = needs;
  }

  /** New tokens, and with them a new family. `scopes` are some of the client's, or empty for all. */
  async issue(clientId: string, scopes: readonly string[], origin: TokenOrigin): Promise<TokenPair> {
    return await this.#needs.db.transaction(async (transaction) => {
      const held = await clientStore(transaction).hold(clientId);
      // It was disabled or deleted since its secret was checked.
      if (held === undefined)
        throw new DomainError("CREDENTIALS_INVALID", "no client has this id and secret");
      const granted = someOf(held.client.scopes, scopes, "is no scope of the client");
      const family = { familyId: randomUUID(), clientId, scopes: granted };
      await refreshTokenStore(transaction).begin(family, this.#needs.refreshTokenMs);
      return await this.#pair(transaction, held, {
        family,
        scopes: granted,
        action: "token_issued",
        origin,
      });
    });
  }

  /**
   * The next tokens of a family. Rejects with TOKEN_INVALID, TOKEN_EXPIRED or
   * TOKEN_REVOKED; the last also when it is found that the token was used before,
   * and the family is taken back for that.
   */
  async refresh(
    shown: {
      readonly token: string;
      /** Whose it must be; undefined when nobody said. */
      readonly client: StoredClient | undefined;
      readonly audience: Audience | undefined;
      readonly scopes: readonly string[];
    },
    origin: TokenOrigin,
  ): Promise<TokenPair> {
    const refreshed = await this.#needs.db.transaction(async (transaction) =>
      this.#refreshIn(transaction, shown, origin),
    );
    if (refreshed !== "reused") return refreshed;
    await this.#needs.learnRevocations();
    throw new DomainError(
      "TOKEN_REVOKED",
      "the refresh token was used before, so all tokens that came of it are taken back",
    );
  }

  /** Takes back a token of a client's, if it is one; a refresh token with its family. */
  async revoke(client: StoredClient, token: string, address: string): Promise<void> {
    const isRevoked = isRefreshToken(token)
      ? await this.#revokeFamilyOf(client, refreshTokenHash(token), address)
      : await this.#revokeAccess(client, token, address);
    if (isRevoked) await this.#needs.learnRevocations();
  }

  /** What a client may know of a token; undefined of one that is not good, or none of its business. */
  async introspect(asking: StoredClient, token: string): Promise<KnownToken | undefined> {
    const known = isRefreshToken(token) ? await this.#knownRefresh(token) : await this.#knownAccess(token);
    if (known === undefined || known.clientId === asking.clientId || asking.audience === "admin-api")
      return known;
    // Whoever manages clients does not see those for `admin-api`.
    return asking.audience === "clients-api" && known.audience !== "admin-api" ? known : undefined;
  }

  async #refreshIn(
    transaction: Transaction,
    {
      token,
      client,
      audience,
      scopes,
    }: {
      readonly token: string;
      readonly client: StoredClient | undefined;
      readonly audience: Audience | undefined;
      readonly scopes: readonly string[];
    },
    origin: TokenOrigin,
  ): Promise<TokenPair | "reused"> {
    const store = refreshTokenStore(transaction);
    const hash = refreshTokenHash(token);
    const found = isRefreshToken(token) ? await store.find(hash) : undefined;
    if (found === undefined || (client !== undefined && client.clientId !== found.clientId))
      throw new DomainError("TOKEN_INVALID", "this is no refresh token of this installation");
    const { familyId, clientId } = found;
    const held = await clientStore(transaction).hold(clientId);
    await store.lock(familyId);
    const stored = await store.find(hash);
    const verdict = stored === undefined ? "expired" : refreshVerdict(stored);
    if (verdict === "revoked" || held === undefined)
      throw new DomainError("TOKEN_REVOKED", "the refresh token was taken back");
    if (verdict === "expired") throw new DomainError("TOKEN_EXPIRED", "the refresh token has expired");
    if (verdict === "reused") {
      await auditStore(transaction).note("refresh_token_reused", { clientId, address: origin.address });
      await this.#revokeFamily(transaction, familyId);
      return "reused";
    }
    if (audience !== undefined && audience !== held.client.audience) {
      throw DomainError.ofFaults([
        { path: "audience", reason: "FIELD_INVALID", message: "is not the client's" },
      ]);
    }
    await store.use(hash);
    const present = found.scopes.filter((scope) => held.client.scopes.includes(scope));
    const granted = someOf(present, scopes, "is no scope of the token");
    return await this.#pair(transaction, held, {
      family: found,
      scopes: granted,
      action: "token_refreshed",
      origin,
    });
  }

  /** Signs the tokens that a held client gets (T2). */
  async #pair(
    transaction: Transaction,
    { client, issuedAt }: HeldClient,
    {
      family: { familyId },
      scopes,
      action,
      origin,
    }: {
      readonly family: RefreshFamily;
      readonly scopes: readonly Scope[];
      readonly action: AuditAction;
      readonly origin: TokenOrigin;
    },
  ): Promise<TokenPair> {
    const { clientId, audience } = client;
    const { accessTokenMs, refreshTokenMs, sign } = this.#needs;
    const refreshToken = drawRefreshToken();
    const expiresAt = await refreshTokenStore(transaction).add(
      familyId,
      refreshTokenHash(refreshToken),
      refreshTokenMs,
    );
    await auditStore(transaction).note(action, { clientId, address: origin.address });
    const access = await sign(
      { clientId, audience, scopes, familyId, issuer: origin.issuer },
      { issuedAt, lifetimeMs: accessTokenMs },
    );
    return { access, refresh: { token: refreshToken, expiresAt }, audience, scopes };
  }

  async #revokeFamilyOf({ clientId }: StoredClient, hash: Buffer, address: string): Promise<boolean> {
    return await this.#needs.db.transaction(async (transaction) => {
      const found = await refreshTokenStore(transaction).find(hash);
      if (found?.clientId !== clientId || found.isRevoked) return false;
      await refreshTokenStore(transaction).lock(found.familyId);
      await auditStore(transaction).note("token_revoked", { clientId, address });
      await this.#revokeFamily(transaction, found.familyId);
      return true;
    });
  }

  async #revokeAccess({ clientId }: StoredClient, token: string, address: string): Promise<boolean> {
    const caller = await this.#callerOf(token);
    if (caller?.clientId !== clientId || caller.tokenId === "") return false;
    await this.#needs.db.transaction(async (transaction) => {
      await auditStore(transaction).note("token_revoked", { clientId, address });
      const expiresAt = new Date(caller.expiresAt.getTime() + toleranceMs);
      await revocationStore(transaction).add({ kind: "token", subject: caller.tokenId, expiresAt });
    });
    return true;
  }

  /** Takes back a family that is locked, with the access tokens that came of it. */
  async #revokeFamily(transaction: Transaction, familyId: string): Promise<void> {
    if (!(await refreshTokenStore(transaction).revoke(familyId))) return;
    const expiresAt = new Date(Date.now() + longestAccessTokenMs + toleranceMs);
    await revocationStore(transaction).add({ kind: "family", subject: familyId, expiresAt });
  }

  async #knownAccess(token: string): Promise<KnownToken | undefined> {
    const caller = await this.#callerOf(token);
    if (caller === undefined || caller.audience === "internal") return undefined;
    const { clientId, audience, scopes, issuedAt, expiresAt } = caller;
    return { clientId, audience, scopes: [...scopes], issuedAt, expiresAt, isRefresh: false };
  }

  async #knownRefresh(token: string): Promise<KnownToken | undefined> {
    const stored = await refreshTokenStore(this.#needs.db).find(refreshTokenHash(token));
    if (stored === undefined || stored.isRevoked || stored.hasExpired || stored.usedForMs !== undefined)
      return undefined;
    const client = await clientStore(this.#needs.db).find(stored.clientId);
    if (client === undefined || client.isDisabled || client.isDeleted) return undefined;
    const { clientId, issuedAt, expiresAt } = stored;
    const scopes = stored.scopes.filter((scope) => client.scopes.includes(scope));
    return { clientId, audience: client.audience, scopes, issuedAt, expiresAt, isRefresh: true };
  }

  /** Whose an access token is, undefined when it is not a good one. */
  async #callerOf(token: string): Promise<Caller | undefined> {
    try {
      return await this.#needs.verify(token);
    } catch (error) {
      if (error instanceof DomainError && error.reason !== "SERVICE_UNAVAILABLE") return undefined;
      throw error;
    }
  }
}

/** The scopes that are asked for, or all when none is. Throws FIELD_INVALID for those that are not to be had. */
function someOf(had: readonly Scope[], asked: readonly string[], fault: string): readonly Scope[] {
  if (asked.length === 0) return had;
  const isHad = (scope: string) => had.some((known) => known === scope);
  const faults = asked.flatMap((scope, index) =>
    isHad(scope) ? [] : [{ path: `scopes[${index}]`, reason: "FIELD_INVALID" as const, message: fault }],
  );
  if (faults.length > 0) throw DomainError.ofFaults(faults);
  return had.filter((scope) => asked.includes(scope));
}
