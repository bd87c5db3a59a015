import type { Queryable } from "../../lib/postgres/session.ts";
import { sql } from "../../lib/postgres/sql.ts";

/** What is noted, by the names of the contract. */
export type AuditAction =
  | "token_issued"
  | "token_refused"
  | "token_refreshed"
  | "refresh_token_reused"
  | "token_revoked"
  | "token_exchanged"
  | "client_created"
  | "client_updated"
  | "client_disabled"
  | "secret_rotated"
  | "client_deleted"
  | "signing_key_rotated";

/** Who does something, and from where as far as that is known. */
export interface Actor {
  readonly clientId: string;
  readonly address: string;
}

/** Something that was done. */
export interface AuditEntry extends Actor {
  readonly entryId: number;
  readonly at: Date;
  readonly action: string;
  /** To whom; empty when that is nobody else. */
  readonly targetClientId: string;
}

/** Keeps what was done in `auth.audit_entry`. Nothing secret comes in here. */
export interface AuditStore {
  /** Notes what is done. In the transaction that does it, so that neither is without the other. */
  note(action: AuditAction, actor: Actor, targetClientId?: string): Promise<void>;
  /** The newest first; those of one client, unless `clientId` is empty, are what it did and what was done to it. */
  list(page: {
    readonly clientId: string;
    readonly before: number | undefined;
    readonly limit: number;
  }): Promise<readonly AuditEntry[]>;
}

interface AuditRow {
  readonly entry_id: number;
  readonly at: Date;
  readonly action: string;
  readonly client_id: string;
  readonly target_client_id: string;
  readonly address: string;
}

export function auditStore(db: Queryable): AuditStore {
  return {
    async note(action, { clientId, address }, targetClientId = "") {
      const target = targetClientId === clientId ? "" : targetClientId;
      await db.query(sql`
        insert into auth.audit_entry (action, client_id, target_client_id, address)
        values (${action}, ${clientId}, ${target}, ${address})
      `);
    },

    async list({ clientId, before, limit }) {
      const whose =
        clientId === "" ? sql`true` : sql`(client_id = ${clientId} or target_client_id = ${clientId})`;
      const rows = await db.query<AuditRow>(sql`
        select entry_id, at, action, client_id, target_client_id, address
        from auth.audit_entry
        where ${whose} and entry_id < coalesce(${before}::bigint, ${Number.MAX_SAFE_INTEGER}::bigint)
        order by entry_id desc
        limit ${limit}
      `);
      return rows.map((row) => ({
        entryId: row.entry_id,
        at: row.at,
        action: row.action,
        clientId: row.client_id,
        targetClientId: row.target_client_id,
        address: row.address,
      }));
    },
  };
}
