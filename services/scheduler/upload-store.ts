import type { Database } from "../../lib/postgres/database.ts";
import type { Transaction } from "../../lib/postgres/session.ts";
import { sql } from "../../lib/postgres/sql.ts";

/** How long a file is kept. */
const keptHours = 24;

/** How long after its beginning a file may still be being received; longer than any call takes. */
const receivedHours = 1;

/** What a client may have at once. */
export const maxUploads = 1_000;
export const maxUploadedBytes = 256 * 1024 * 1024;

/** A file that was uploaded. */
export interface Upload {
  readonly uploadId: string;
  readonly fileName: string;
  /** In bytes. */
  readonly size: number;
  /** In lower-case hexadecimal. */
  readonly md5: string;
  readonly createdAt: Date;
}

/** Why a file is not kept: the client has as many, or as much, as it may. */
export type UploadLimit = { readonly kind: "limit"; readonly limit: number };

/** SQL of uploaded files; their content is in the storage. */
export function uploadStore(db: Pick<Database, "query" | "transaction">) {
  return {
    /** Notes that a file is being received, which counts as one of its client's. */
    async begin({
      uploadId,
      clientId,
      fileName,
      isSingleUse,
    }: {
      readonly uploadId: string;
      readonly clientId: string;
      readonly fileName: string;
      readonly isSingleUse: boolean;
    }): Promise<{ readonly kind: "begun" } | UploadLimit> {
      return await db.transaction(async (transaction) => {
        const { count } = await usedBy(transaction, clientId);
        if (count >= maxUploads) return { kind: "limit", limit: maxUploads };
        await transaction.query(sql`
          insert into scheduler.upload (upload_id, client_id, file_name, single_use)
          values (${uploadId}::uuid, ${clientId}, ${fileName}, ${isSingleUse})
        `);
        return { kind: "begun" };
      });
    },

    /** Notes that a file was received whole and is stored. Undefined when it took so long that it was given up. */
    async complete({
      uploadId,
      clientId,
      size,
      md5,
    }: Pick<Upload, "uploadId" | "size" | "md5"> & { readonly clientId: string }): Promise<
      Upload | UploadLimit | undefined
    > {
      return await db.transaction(async (transaction) => {
        const { bytes } = await usedBy(transaction, clientId);
        if (bytes + size > maxUploadedBytes) return { kind: "limit", limit: maxUploadedBytes };
        const [row] = await transaction.query<UploadRow>(sql`
          update scheduler.upload
          set size = ${size}, md5 = ${md5}, created_at = now()
          where upload_id = ${uploadId}::uuid
            and removing_at is null
          returning upload_id, file_name, size, md5, created_at
        `);
        return row && uploadOf(row);
      });
    },

    /** The file of a client's that was stored last under a name, for more than one use. */
    async named(clientId: string, fileName: string): Promise<Upload | undefined> {
      const [row] = await db.query<UploadRow>(sql`
        select upload_id, file_name, size, md5, created_at
        from scheduler.upload
        where client_id = ${clientId}
          and file_name = ${fileName}
          and not single_use
          and ${isKept}
        order by created_at desc
        limit 1
      `);
      return row && uploadOf(row);
    },

    /** A file of a client's. */
    async read(clientId: string, uploadId: string): Promise<Upload | undefined> {
      const [row] = await db.query<UploadRow>(sql`
        select upload_id, file_name, size, md5, created_at
        from scheduler.upload
        where client_id = ${clientId}
          and upload_id = ${uploadId}::uuid
          and ${isKept}
      `);
      return row && uploadOf(row);
    },

    /** Gives up files that are old, or were never received whole, oldest first; answers those, and others that were given up, whose content is to be removed. */
    async expire(limit: number): Promise<string[]> {
      const rows = await db.query<{ upload_id: string }>(sql`
        update scheduler.upload
        set removing_at = coalesce(removing_at, now())
        where upload_id in (
          select upload_id
          from scheduler.upload
          where removing_at is not null
            or created_at < now() - ${keptHours}::int * interval '1 hour'
            or (size is null and created_at < now() - ${receivedHours}::int * interval '1 hour')
          order by created_at
          limit ${limit}
          for update skip locked
        )
        returning upload_id
      `);
      return rows.map((row) => row.upload_id);
    },

    /** Gives one up that was not received whole. */
    async giveUp(uploadId: string): Promise<void> {
      await db.query(
        sql`update scheduler.upload set removing_at = now() where upload_id = ${uploadId}::uuid`,
      );
    },

    /** Gives a file of a client's up that was for one use. */
    async spend(clientId: string, uploadId: string): Promise<void> {
      await db.query(sql`
        update scheduler.upload
        set removing_at = now()
        where client_id = ${clientId}
          and upload_id = ${uploadId}::uuid
          and single_use
          and removing_at is null
      `);
    },

    /** Removes the rows of files whose content is gone. */
    async forget(uploadIds: readonly string[]): Promise<void> {
      await db.query(sql`
        delete from scheduler.upload
        where upload_id = any (${uploadIds}::uuid[])
          and removing_at is not null
      `);
    },
  };
}

export type UploadStore = ReturnType<typeof uploadStore>;

interface UploadRow {
  readonly upload_id: string;
  readonly file_name: string;
  readonly size: number;
  readonly md5: string;
  readonly created_at: Date;
}

const isKept = sql`
  size is not null
  and removing_at is null
  and created_at > now() - ${keptHours}::int * interval '1 hour'
`;

/** How many files a client has, and how much, in bytes; nobody else changes that until the transaction ends. */
async function usedBy(
  transaction: Transaction,
  clientId: string,
): Promise<{ readonly count: number; readonly bytes: number }> {
  await transaction.query(sql`
    select pg_advisory_xact_lock(hashtextextended('scheduler.upload ' || ${clientId}, 0))
  `);
  const [row] = await transaction.query<{ count: number; bytes: number }>(sql`
    select count(*)::int as count, coalesce(sum(size), 0)::float8 as bytes
    from scheduler.upload
    where client_id = ${clientId}
      and removing_at is null
      and created_at > now() - ${keptHours}::int * interval '1 hour'
  `);
  return row ?? { count: 0, bytes: 0 };
}

function uploadOf(row: UploadRow): Upload {
  return {
    uploadId: row.upload_id,
    fileName: row.file_name,
    size: row.size,
    md5: row.md5,
    createdAt: row.created_at,
  };
}
