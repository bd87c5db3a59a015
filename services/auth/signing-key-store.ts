import type { JWK } from "jose";
import type { Database } from "../../lib/postgres/database.ts";
import { sql } from "../../lib/postgres/sql.ts";
import type { StoredSigningKey } from "./signing-key.ts";

/** Keeps signing keys in `auth.signing_key`. */
export interface SigningKeyStore {
  /** All keys, the newest first; when there are none, `first` becomes the only one. Whoever else does the same at that moment gets the same answer. */
  allOrFirst(first: StoredSigningKey): Promise<readonly StoredSigningKey[]>;
  /** All keys, the newest first. */
  all(): Promise<readonly StoredSigningKey[]>;
}

interface SigningKeyRow {
  readonly key_id: string;
  readonly public_key: JWK;
  readonly sealed_private_key: Buffer;
}

const all = sql`
  select key_id, public_key, sealed_private_key
  from auth.signing_key
  order by created_at desc, key_id
`;

export function signingKeyStore(db: Pick<Database, "query" | "transaction">): SigningKeyStore {
  return {
    async allOrFirst(first) {
      return db.transaction(async (transaction) => {
        // Two that start at once must not both find the table empty.
        await transaction.query(sql`select pg_advisory_xact_lock(hashtext('auth.signing_key'))`);
        await transaction.query(sql`
          insert into auth.signing_key (key_id, public_key, sealed_private_key)
          select ${first.keyId}, ${JSON.stringify(first.publicKey)}::jsonb, ${first.sealedPrivateKey}
          where not exists (select from auth.signing_key)
        `);
        return (await transaction.query<SigningKeyRow>(all)).map(storedKey);
      });
    },

    async all() {
      return (await db.query<SigningKeyRow>(all)).map(storedKey);
    },
  };
}

function storedKey(row: SigningKeyRow): StoredSigningKey {
  return { keyId: row.key_id, publicKey: row.public_key, sealedPrivateKey: row.sealed_private_key };
}
