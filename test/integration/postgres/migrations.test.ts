import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Database } from "../../../lib/postgres/database.ts";
import { migrate, migrateServices } from "../../../lib/postgres/migrate.ts";
import { sql } from "../../../lib/postgres/sql.ts";
import { freshDatabase } from "../../support/fresh-database.ts";
import type { FreshDatabase } from "../../support/start-postgres.ts";
import { type TemporaryFolder, temporaryFolder } from "../../support/temporary-folder.ts";

let fresh: FreshDatabase;
let folder: TemporaryFolder;
let db: Database;

beforeEach(async () => {
  [fresh, folder] = await Promise.all([freshDatabase(), temporaryFolder("migrations")]);
  db = new Database(fresh.url);
});

afterEach(async () => {
  await db.close();
  await fresh[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

const table = "create table example.thing (id int);\ninsert into example.thing values (1);\n";
const online =
  "-- Readers do not notice.\n-- online\ndrop index concurrently if exists example.thing_idx;\ncreate index concurrently thing_idx on example.thing (id);\n";

async function write(name: string, text: string): Promise<void> {
  await writeFile(join(folder.path, name), text);
}

const migrateExample = async (on: Database = db): Promise<string[]> => {
  const applied = await migrate(on, { schema: "example", directory: folder.path });
  return applied.map(({ name }) => name);
};

async function ledger(): Promise<Record<string, unknown>[]> {
  return db.query(sql`select number, name, breaking from example.migration order by number`);
}

describe("migrate", () => {
  test("applies what is missing, in order, and nothing twice", async () => {
    await write("0001_thing.sql", table);
    expect(await migrateExample()).toEqual(["0001_thing.sql"]);
    await write(
      "0002_more.sql",
      "-- breaking: the column id is gone\nalter table example.thing rename id to key;\n",
    );
    expect(await migrateExample()).toEqual(["0002_more.sql"]);
    expect(await migrateExample()).toEqual([]);
    expect(await ledger()).toEqual([
      { number: 1, name: "0001_thing.sql", breaking: null },
      { number: 2, name: "0002_more.sql", breaking: "the column id is gone" },
    ]);
  });

  test("leaves nothing of a migration that fails, and says which", async () => {
    await write("0001_thing.sql", `${table}select 1 / 0;\n`);
    await expect(migrateExample()).rejects.toThrow(/0001_thing\.sql: division by zero/);
    expect(await ledger()).toEqual([]);
    await write("0001_thing.sql", table);
    expect(await migrateExample()).toEqual(["0001_thing.sql"]);
  });

  test("runs an online file statement by statement, outside a transaction", async () => {
    await write("0001_thing.sql", table);
    await write("0002_index.sql", online);
    expect(await migrateExample()).toEqual(["0001_thing.sql", "0002_index.sql"]);
    const [index] = await db.query(
      sql`select indisvalid as valid from pg_index where indexrelid = 'example.thing_idx'::regclass`,
    );
    expect(index).toEqual({ valid: true });
  });

  test("applies each file once when many processes migrate at the same time, online files too", async () => {
    await write("0001_thing.sql", `${table}select pg_sleep(0.1);\n`);
    await write("0002_index.sql", online);
    await write("0003_more.sql", "insert into example.thing values (2);\n");
    const databases = Array.from({ length: 8 }, () => new Database(fresh.url));
    const applied = await Promise.all(databases.map((database) => migrateExample(database)));
    await Promise.all(databases.map((database) => database.close()));
    expect(applied.flat().sort()).toEqual(["0001_thing.sql", "0002_index.sql", "0003_more.sql"]);
    expect(await db.query(sql`select id from example.thing order by id`)).toEqual([{ id: 1 }, { id: 2 }]);
  });

  test("refuses a file that was edited, renamed or removed before a later one", async () => {
    await write("0001_thing.sql", table);
    await migrateExample();
    await write("0001_thing.sql", `${table}-- edited`);
    await expect(migrateExample()).rejects.toThrow(/0001_thing\.sql: it was edited/);
    await rm(join(folder.path, "0001_thing.sql"));
    await write("0001_other.sql", table);
    await expect(migrateExample()).rejects.toThrow(
      /0001_thing\.sql: it was applied, and is called 0001_other\.sql/,
    );
  });

  test("lets migrations of newer code be, unless they break this code", async () => {
    await write("0001_thing.sql", table);
    await write("0002_harmless.sql", "select 1;\n");
    await migrateExample();
    await rm(join(folder.path, "0002_harmless.sql"));
    expect(await migrateExample()).toEqual([]);
    await write("0002_harmless.sql", "select 1;\n");
    await write("0003_new.sql", "-- breaking: old code writes a column that is gone\nselect 1;\n");
    await migrateExample();
    await rm(join(folder.path, "0003_new.sql"));
    await expect(migrateExample()).rejects.toThrow(
      /0003_new\.sql: newer code applied it .* old code writes a column/,
    );
  });

  test("refuses a schema name that is none", async () => {
    await expect(migrate(db, { schema: "a; drop", directory: folder.path })).rejects.toThrow(
      "no name for a schema",
    );
  });
});

describe("migrateServices", () => {
  test("migrates every folder that has migrations into the schema of its name", async () => {
    await mkdir(join(folder.path, "task-box", "migrations"), { recursive: true });
    await mkdir(join(folder.path, "without"), { recursive: true });
    await writeFile(join(folder.path, "task-box", "migrations", "0001_a.sql"), "create table task_box.a ();");
    const applied = await migrateServices(db, folder.path);
    expect(applied).toMatchObject([{ schema: "task_box", name: "0001_a.sql" }]);
  });
});
