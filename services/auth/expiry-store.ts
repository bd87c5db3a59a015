import type { Queryable } from "../../lib/postgres/session.ts";
import { type Statement, sql } from "../../lib/postgres/sql.ts";

/** Removes what is of no use any more, at most so many rows of a kind; each answers how many it removed. */
export interface ExpiryStore {
  /** Families whose last token has expired, with their tokens. */
  removeFamilies(limit: number): Promise<number>;
  /** Expired tokens of families that live on. */
  removeRefreshTokens(limit: number): Promise<number>;
  removeRevocations(limit: number): Promise<number>;
  /** Entries older than `retentionMs`, and the oldest beyond the newest `keep`. */
  removeAuditEntries(bounds: {
    readonly retentionMs: number;
    readonly keep: number;
    readonly limit: number;
  }): Promise<number>;
}

export function expiryStore(db: Queryable): ExpiryStore {
  const removed = async (statement: Statement): Promise<number> => (await db.query(statement)).length;

  return {
    removeFamilies: (limit) =>
      removed(sql`
        delete from auth.refresh_family
        where family_id in (
          select family_id from auth.refresh_family where expires_at < now() limit ${limit} for update skip locked
        )
        returning family_id
      `),

    removeRefreshTokens: (limit) =>
      removed(sql`
        delete from auth.refresh_token
        where token_hash in (
          select token_hash from auth.refresh_token where expires_at < now() limit ${limit} for update skip locked
        )
        returning family_id
      `),

    removeRevocations: (limit) =>
      removed(sql`
        delete from auth.revocation
        where revocation_id in (select revocation_id from auth.revocation where expires_at < now() limit ${limit})
        returning revocation_id
      `),

    removeAuditEntries: ({ retentionMs, keep, limit }) =>
      removed(sql`
        delete from auth.audit_entry
        where entry_id in (
          select entry_id
          from auth.audit_entry
          where at < now() - ${retentionMs}::bigint * interval '1 millisecond'
            or entry_id <= (select max(entry_id) from auth.audit_entry) - ${keep}::bigint
          order by entry_id
          limit ${limit}
        )
        returning entry_id
      `),
  };
}
