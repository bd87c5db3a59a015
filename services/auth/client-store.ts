import type { Queryable } from "../../lib/postgres/session.ts";
import { sql } from "../../lib/postgres/sql.ts";
import type { Audience, Client } from "./client.ts";

/** A client and what its secret is checked with. */
export interface StoredClient extends Client {
  readonly secretHash: string;
}

/** Keeps clients in `auth.client`. */
export interface ClientStore {
  find(clientId: string): Promise<StoredClient | undefined>;
  /** Adds a client; answers false, and changes nothing, when its id is taken. */
  add(client: StoredClient): Promise<boolean>;
  replaceSecret(clientId: string, secretHash: string): Promise<void>;
}

interface ClientRow {
  readonly client_id: string;
  readonly audience: Audience;
  readonly name: string;
  readonly secret_hash: string;
}

export function clientStore(db: Queryable): ClientStore {
  return {
    async find(clientId) {
      const [row] = await db.query<ClientRow>(sql`
        select client_id, audience, name, secret_hash
        from auth.client
        where client_id = ${clientId}
      `);
      if (row === undefined) return undefined;
      return { clientId: row.client_id, audience: row.audience, name: row.name, secretHash: row.secret_hash };
    },

    async add({ clientId, audience, name, secretHash }) {
      const added = await db.query(sql`
        insert into auth.client (client_id, audience, name, secret_hash)
        values (${clientId}, ${audience}, ${name}, ${secretHash})
        on conflict (client_id) do nothing
        returning client_id
      `);
      return added.length > 0;
    },

    async replaceSecret(clientId, secretHash) {
      await db.query(sql`
        update auth.client
        set secret_hash = ${secretHash}
        where client_id = ${clientId}
      `);
    },
  };
}
