import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Logger } from "../../lib/log/log.ts";
import { Database } from "../../lib/postgres/database.ts";
import { EmbeddedPostgres } from "../../lib/postgres/embedded-postgres.ts";
import { migrateServices } from "../../lib/postgres/migrate.ts";

/** A migrated database, and what to say about where it is. */
export interface OpenedDatabase extends AsyncDisposable {
  readonly db: Database;
  readonly chosen: string;
  /** Resolves when a Postgres of our own has ended, asked to or not; never for another. */
  readonly ended: Promise<string>;
}

/** Opens the database of a URL, or a Postgres of our own in the data folder, and migrates it. */
export async function openDatabase({
  url,
  dataDirectory,
  log,
}: {
  readonly url: string | undefined;
  readonly dataDirectory: string;
  readonly log: Logger;
}): Promise<OpenedDatabase> {
  await using stack = new AsyncDisposableStack();
  const own =
    url === undefined
      ? stack.use(await EmbeddedPostgres.start({ dataDirectory: join(dataDirectory, "postgres") }))
      : undefined;
  const db = stack.use(new Database(own?.url ?? url ?? ""));
  for (const { schema, name, durationMs } of await migrateServices(db, services)) {
    log.info({ schema, migration: name, durationMs }, "migrated");
  }
  const opened = stack.move();
  return {
    db,
    chosen:
      own === undefined
        ? "DATABASE_URL"
        : `own ${own.version}, in the data folder (${Math.round(own.startedInMs)} ms)`,
    ended: own?.ended ?? new Promise<never>(() => {}),
    [Symbol.asyncDispose]: async () => await opened.disposeAsync(),
  };
}

const services = fileURLToPath(new URL("..", import.meta.url));
