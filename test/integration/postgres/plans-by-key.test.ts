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

/** More than a table that is nearly empty seems to be worth looking into one by one. */
const ids = Array.from({ length: 1_000 }, (_, index) => index);

const planOf = (rows: readonly { "QUERY PLAN": string }[]): string =>
  rows.map((row) => row["QUERY PLAN"]).join("\n");

test("a batch is read by key also while its table is small, because the plan is kept", async () => {
  const rows = await db.query<{ "QUERY PLAN": string }>(sql`
    explain
    select thing.word
    from unnest(${ids}::int[]) as wanted (thing_id)
    join thing using (thing_id)
  `);
  expect(planOf(rows)).not.toMatch(/seq scan|hash join|merge join/i);
});

test("a batch is changed by key also while its table is small", async () => {
  const rows = await db.query<{ "QUERY PLAN": string }>(sql`
    explain
    update thing
    set word = new.word
    from unnest(${ids}::int[], ${ids.map(String)}::text[]) as new (thing_id, word)
    where thing.thing_id = new.thing_id
  `);
  expect(planOf(rows)).not.toMatch(/seq scan|hash join|merge join/i);
});

test("a statement that no index serves still reads the table", async () => {
  await db.query(sql`insert into thing (thing_id, word) values (1, 'one')`);
  expect(await db.query(sql`select thing_id from thing where word = 'one'`)).toEqual([{ thing_id: 1 }]);
});
