/** Applies the migrations of every service to the database at DATABASE_URL and prints a line for each. */
import { fileURLToPath } from "node:url";
import { Database } from "../lib/postgres/database.ts";
import { migrateServices } from "../lib/postgres/migrate.ts";

const url = process.env["DATABASE_URL"];
if (url === undefined || url === "") {
  process.stderr.write(
    "DATABASE_URL is not set: it names the database to migrate, postgres://user:password@host:port/database\n",
  );
  process.exit(2);
}

try {
  await using db = new Database(url, { maxConnections: 1, applicationName: "antiphon-migrate" });
  const applied = await migrateServices(db, fileURLToPath(new URL("../services", import.meta.url)));
  for (const { schema, name, durationMs } of applied)
    process.stdout.write(`${schema} ${name} ${durationMs} ms\n`);
  if (applied.length === 0) process.stdout.write("nothing to apply\n");
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}
