import { randomBytes } from "node:crypto";
import { Database } from "../../lib/postgres/database.ts";
import { EmbeddedPostgres } from "../../lib/postgres/embedded-postgres.ts";
import { migrateServices } from "../../lib/postgres/migrate.ts";
import { temporaryFolder } from "./temporary-folder.ts";

/** The database that fresh ones are cloned from; nobody stays connected to it. */
const templateName = "template_antiphon";

/** A database that vanishes when it is disposed of, whoever is still connected. */
export interface FreshDatabase extends AsyncDisposable {
  readonly url: string;
}

/** A Postgres server for tests, with all services' migrations in a template. */
export interface TestPostgres extends AsyncDisposable {
  /** The URL of the server's own database, from which `freshDatabaseOn` works in other processes too. */
  readonly url: string;
  /** Clones the migrated template. */
  freshDatabase(): Promise<FreshDatabase>;
}

/** Starts a server in a temporary folder and migrates the template. Data is not synced to the disk: nothing outlives a test. */
export async function startPostgres(): Promise<TestPostgres> {
  const folder = await temporaryFolder("postgres");
  const server = await EmbeddedPostgres.start({
    dataDirectory: folder.path,
    settings: { fsync: "off", full_page_writes: "off", max_connections: "300" },
  });
  await execute(server.url, `create database ${templateName}`);
  await using template = new Database(databaseUrl(server.url, templateName));
  await migrateServices(template, new URL("../../services", import.meta.url).pathname);
  return {
    url: server.url,
    freshDatabase: () => freshDatabaseOn(server.url),
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** Clones the migrated template of the server that `startPostgres` named. */
export async function freshDatabaseOn(serverUrl: string): Promise<FreshDatabase> {
  const name = `test_${randomBytes(6).toString("hex")}`;
  await execute(serverUrl, `create database ${name} template ${templateName} strategy file_copy`);
  return {
    url: databaseUrl(serverUrl, name),
    [Symbol.asyncDispose]: () => execute(serverUrl, `drop database if exists ${name} with (force)`),
  };
}

async function execute(serverUrl: string, text: string): Promise<void> {
  await using db = new Database(serverUrl, { maxConnections: 1 });
  await db.session((session) => session.script(text));
}

function databaseUrl(serverUrl: string, name: string): string {
  return serverUrl.replace(/\/[^/?]*\?/, `/${name}?`);
}
