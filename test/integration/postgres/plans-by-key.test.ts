import { afterAll, beforeAll, expect, test } from "vitest";
import { Database } from "../../../lib/postgres/database.ts";
import { sql } from "../../../lib/postgres/sql.ts";
import { freshDatabase } from "../../support/fresh-database.ts";
import type { FreshDatabase } from "../../support/start-postgres.ts";

let fresh: FreshDatabase;
let db: Database;

beforeAll(async () => {
  fresh = await freshDatabase();
  db = new Database(fresh.url, { maxConnections: 1 });
  await db.query(sql`create table thing (thing_id int primary key, word text not null)`);
});

afterAll(async () => {
  await db.close();
  await fresh[Symbol.asyncDispose]();
});

/** How Postgres reads a batch of rows by their key. */
async function planOfBatch(): Promise<string> {
  const rows = await db.query<{ "QUERY PLAN": string }>(sql`
    explain
    select thing.word
    from unnest(${[1, 2, 3]}::int[]) as wanted (thing_id)
    join thing using (thing_id)
  `);
  return rows.map((row) => row["QUERY PLAN"]).join("\n");
}

test("a batch is read by key also while its table is empty, whose plan is kept", async () => {
  expect(await planOfBatch()).toMatch(/index.* on thing/i);
});

test("a batch is changed by key also while its table is empty", async () => {
  const rows = await db.query<{ "QUERY PLAN": string }>(sql`
    explain
    update thing
    set word = new.word
    from unnest(${[1, 2]}::int[], ${["a", "b"]}::text[]) as new (thing_id, word)
    where thing.thing_id = new.thing_id
  `);
  expect(rows.map((row) => row["QUERY PLAN"]).join("\n")).toMatch(/index.* on thing/i);
});

test("a statement that no index serves still reads the table", async () => {
  await db.query(sql`insert into thing (thing_id, word) values (1, 'one')`);
  expect(await db.query(sql`select thing_id from thing where word = 'one'`)).toEqual([{ thing_id: 1 }]);
});
