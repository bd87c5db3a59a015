import type { Queryable } from "../../lib/postgres/session.ts";
import { sql } from "../../lib/postgres/sql.ts";
import type { Revocation } from "../../lib/rpc/revocations.ts";

/** A revocation and its place among all. */
export interface StoredRevocation extends Revocation {
  readonly number: number;
}

/** Keeps revocations in `auth.revocation` until what they hit has expired. */
export interface RevocationStore {
  /**
   * Adds a revocation. To be called last in the transaction that takes something
   * back: from here to its end, others that do the same wait.
   */
  add(revocation: Revocation): Promise<void>;
  /** The next ones after a number that have not expired, in the order of their commits. */
  after(number: number, limit: number): Promise<readonly StoredRevocation[]>;
}

interface RevocationRow {
  readonly revocation_id: number;
  readonly kind: Revocation["kind"];
  readonly subject: string;
  readonly issued_before: Date | null;
  readonly expires_at: Date;
}

export function revocationStore(db: Queryable): RevocationStore {
  return {
    async add({ kind, subject, issuedBefore, expiresAt }) {
      // Numbers are drawn before they are visible. With one at a time a reader
      // that has seen a number never misses a lower one.
      await db.query(sql`select pg_advisory_xact_lock(hashtext('auth.revocation'))`);
      await db.query(sql`
        insert into auth.revocation (kind, subject, issued_before, expires_at)
        values (${kind}, ${subject}, ${issuedBefore}, ${expiresAt})
      `);
    },

    async after(number, limit) {
      const rows = await db.query<RevocationRow>(sql`
        select revocation_id, kind, subject, issued_before, expires_at
        from auth.revocation
        where revocation_id > ${number} and expires_at > now()
        order by revocation_id
        limit ${limit}
      `);
      return rows.map((row) => ({
        number: row.revocation_id,
        kind: row.kind,
        subject: row.subject,
        ...(row.issued_before !== null && { issuedBefore: row.issued_before }),
        expiresAt: row.expires_at,
      }));
    },
  };
}
