import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** One numbered file of a service's `migrations` folder. */
export interface MigrationFile {
  readonly number: number;
  /** The file's name, `0001_history.sql`. */
  readonly name: string;
  readonly text: string;
  /** SHA-256 of the text, in hexadecimal. */
  readonly checksum: string;
  /** Whether it runs outside a transaction: it has a line `-- online`. */
  readonly isOnline: boolean;
  /** Why code from before it can not run on the schema after it, from a line `-- breaking: <reason>`. */
  readonly breaking: string | undefined;
}

/**
 * Reads the migrations of a folder, `0001_<what>.sql` and on without a gap, in
 * their order. Rejects with an error naming the file when a name is malformed
 * or a number is missing or there twice.
 */
export async function migrationFiles(directory: string): Promise<MigrationFile[]> {
  const names = (await readdir(directory)).filter((name) => name.endsWith(".sql")).sort();
  return Promise.all(
    names.map(async (name, index) => {
      const number = Number(/^(\d{4})_[a-z0-9_]+\.sql$/.exec(name)?.[1] ?? Number.NaN);
      const path = join(directory, name);
      if (Number.isNaN(number)) throw new Error(`${path}: a migration is named like 0001_history.sql`);
      if (number !== index + 1)
        throw new Error(
          `${path}: migration ${index + 1} was expected here; a number is missing or there twice`,
        );
      return migrationFile(number, name, await readFile(path, "utf8"));
    }),
  );
}

function migrationFile(number: number, name: string, text: string): MigrationFile {
  return {
    number,
    name,
    text,
    checksum: createHash("sha256").update(text).digest("hex"),
    isOnline: /^-- online\s*$/m.test(text),
    breaking: /^-- breaking:\s*(\S.*?)\s*$/m.exec(text)?.[1],
  };
}
