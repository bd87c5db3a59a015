import type { Database } from "../../lib/postgres/database.ts";
import { sql } from "../../lib/postgres/sql.ts";

/** What belongs to a run and is too large for a message, by a digest that no other attempt has. */
export interface PayloadKey {
  readonly runId: string;
  readonly digest: Uint8Array;
}

/** SQL of what is too large for messages. */
export function payloadStore(db: Database) {
  return {
    /** Keeps content; a repeat changes nothing. */
    async keep({ runId, digest, content }: PayloadKey & { readonly content: Uint8Array }): Promise<void> {
      await db.query(sql`
        insert into scheduler.payload (run_id, digest, content)
        values (${runId}::uuid, ${digest}, ${content})
        on conflict (run_id, digest) do nothing
      `);
    },

    async read({ runId, digest }: PayloadKey): Promise<Uint8Array | undefined> {
      const [row] = await db.query<{ content: Uint8Array }>(sql`
        select content
        from scheduler.payload
        where run_id = ${runId}::uuid
          and digest = ${digest}
      `);
      return row?.content;
    },

    /** Removes what history holds by now. What a crash leaves here goes with its run. */
    async remove({ runId, digest }: PayloadKey): Promise<void> {
      await db.query(sql`
        delete from scheduler.payload
        where run_id = ${runId}::uuid
          and digest = ${digest}
      `);
    },
  };
}

export type PayloadStore = ReturnType<typeof payloadStore>;
