import type { JWK } from "jose";
import type { Queryable } from "../../lib/postgres/session.ts";
import { sql } from "../../lib/postgres/sql.ts";
import type { NewSigningKey, StoredSigningKey } from "./signing-key.ts";

/** Keeps signing keys in `auth.signing_key`. */
export interface SigningKeyStore {
  /** Lets nobody else add keys until the end of the transaction. */
  lock(): Promise<void>;
  /** All keys, in the order in which they sign, the last first. */
  all(): Promise<readonly StoredSigningKey[]>;
  /** Adds a key that signs from `afterMs` on; answers when that is. */
  add(key: NewSigningKey, afterMs: number): Promise<Date>;
  /** Removes keys that another took the place of longer ago than `afterMs`. */
  removeReplaced(afterMs: number): Promise<void>;
}

interface SigningKeyRow {
  readonly key_id: string;
  readonly public_key: JWK;
  readonly sealed_private_key: Buffer;
  readonly signs_at: Date;
}

export function signingKeyStore(db: Queryable): SigningKeyStore {
  return {
    async lock() {
      await db.query(sql`select pg_advisory_xact_lock(hashtext('auth.signing_key'))`);
    },

    async all() {
      const rows = await db.query<SigningKeyRow>(sql`
        select key_id, public_key, sealed_private_key, signs_at
        from auth.signing_key
        order by signs_at desc, key_id
      `);
      return rows.map((row) => ({
        keyId: row.key_id,
        publicKey: row.public_key,
        sealedPrivateKey: row.sealed_private_key,
        signsAt: row.signs_at,
      }));
    },

    async add({ keyId, publicKey, sealedPrivateKey }, afterMs) {
      const [row] = await db.query<{ signs_at: Date }>(sql`
        insert into auth.signing_key (key_id, public_key, sealed_private_key, signs_at)
        values (
          ${keyId}, ${JSON.stringify(publicKey)}::jsonb, ${sealedPrivateKey},
          clock_timestamp() + ${afterMs}::bigint * interval '1 millisecond'
        )
        returning signs_at
      `);
      if (row === undefined) throw new Error(`the signing key ${keyId} was not stored`);
      return row.signs_at;
    },

    async removeReplaced(afterMs) {
      await db.query(sql`
        delete from auth.signing_key as old
        where exists (
          select from auth.signing_key as next
          where next.signs_at > old.signs_at
            and next.signs_at < now() - ${afterMs}::bigint * interval '1 millisecond'
        )
      `);
    },
  };
}
