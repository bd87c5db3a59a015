import type { Queryable } from "../../lib/postgres/session.ts";
import { sql } from "../../lib/postgres/sql.ts";
import type { Scope } from "../../lib/rpc/access.ts";
import type { ShownRefreshToken } from "./refresh-token.ts";

/** What the tokens of one IssueToken have in common. */
export interface RefreshFamily {
  /** A UUID. */
  readonly familyId: string;
  readonly clientId: string;
  readonly scopes: readonly Scope[];
}

/** A refresh token that is stored. */
export interface StoredRefreshToken extends RefreshFamily, ShownRefreshToken {
  readonly issuedAt: Date;
  readonly expiresAt: Date;
}

/** Keeps refresh tokens in `auth.refresh_family` and `auth.refresh_token`. */
export interface RefreshTokenStore {
  /** Begins a family. */
  begin(family: RefreshFamily, lifetimeMs: number): Promise<void>;
  /** Adds a token to a family, which lasts as long as its last token; answers until when it is good. */
  add(familyId: string, tokenHash: Buffer, lifetimeMs: number): Promise<Date>;
  /** Lets nobody else use or revoke a token of a family until the end of the transaction. */
  lock(familyId: string): Promise<void>;
  find(tokenHash: Buffer): Promise<StoredRefreshToken | undefined>;
  /** Notes the first use. */
  use(tokenHash: Buffer): Promise<void>;
  /** Takes a family back; false when it was before. */
  revoke(familyId: string): Promise<boolean>;
  /** Takes back all families of a client. */
  revokeOf(clientId: string): Promise<void>;
}

interface FamilyRow {
  readonly family_id: string;
  readonly client_id: string;
  readonly scopes: Scope[];
}

interface TokenRow extends FamilyRow {
  readonly issued_at: Date;
  readonly expires_at: Date;
  readonly is_revoked: boolean;
  readonly has_expired: boolean;
  readonly used_for_ms: number | null;
}

export function refreshTokenStore(db: Queryable): RefreshTokenStore {
  return {
    async begin({ familyId, clientId, scopes }, lifetimeMs) {
      await db.query(sql`
        insert into auth.refresh_family (family_id, client_id, scopes, expires_at)
        values (${familyId}, ${clientId}, ${scopes}::text[], now() + ${lifetimeMs}::bigint * interval '1 millisecond')
      `);
    },

    async add(familyId, tokenHash, lifetimeMs) {
      const [row] = await db.query<{ expires_at: Date }>(sql`
        with added as (
          insert into auth.refresh_token (token_hash, family_id, issued_at, expires_at)
          values (
            ${tokenHash}, ${familyId}, clock_timestamp(),
            date_trunc('second', clock_timestamp() + ${lifetimeMs}::bigint * interval '1 millisecond')
          )
          returning family_id, expires_at
        )
        update auth.refresh_family as family
        set expires_at = greatest(family.expires_at, added.expires_at)
        from added
        where family.family_id = added.family_id
        returning added.expires_at
      `);
      if (row === undefined) throw new Error(`the refresh family ${familyId} has gone while it was locked`);
      return row.expires_at;
    },

    async lock(familyId) {
      await db.query(sql`select from auth.refresh_family where family_id = ${familyId} for update`);
    },

    async find(tokenHash) {
      const [row] = await db.query<TokenRow>(sql`
        select family.family_id::text as family_id, family.client_id, family.scopes,
          token.issued_at, token.expires_at,
          family.revoked_at is not null as is_revoked,
          token.expires_at <= clock_timestamp() as has_expired,
          extract(epoch from clock_timestamp() - token.used_at)::float8 * 1000 as used_for_ms
        from auth.refresh_token as token
        join auth.refresh_family as family using (family_id)
        where token.token_hash = ${tokenHash}
      `);
      if (row === undefined) return undefined;
      return {
        ...familyOf(row),
        issuedAt: row.issued_at,
        expiresAt: row.expires_at,
        isRevoked: row.is_revoked,
        hasExpired: row.has_expired,
        ...(row.used_for_ms !== null && { usedForMs: row.used_for_ms }),
      };
    },

    async use(tokenHash) {
      await db.query(sql`
        update auth.refresh_token
        set used_at = clock_timestamp()
        where token_hash = ${tokenHash} and used_at is null
      `);
    },

    async revoke(familyId) {
      const revoked = await db.query(sql`
        update auth.refresh_family
        set revoked_at = now()
        where family_id = ${familyId} and revoked_at is null
        returning family_id
      `);
      return revoked.length > 0;
    },

    async revokeOf(clientId) {
      await db.query(sql`
        update auth.refresh_family
        set revoked_at = now()
        where client_id = ${clientId} and revoked_at is null and expires_at > now()
      `);
    },
  };
}

function familyOf({ family_id, client_id, scopes }: FamilyRow): RefreshFamily {
  return { familyId: family_id, clientId: client_id, scopes };
}
