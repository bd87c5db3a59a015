import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Database } from "../../../lib/postgres/database.ts";
import { isDataError, isOutcomeUnknown, isUniqueViolation } from "../../../lib/postgres/errors.ts";
import { sql } from "../../../lib/postgres/sql.ts";
import { freshDatabase } from "../../support/fresh-database.ts";
import type { FreshDatabase } from "../../support/start-postgres.ts";

let fresh: FreshDatabase;
let db: Database;

beforeAll(async () => {
  fresh = await freshDatabase();
  db = new Database(fresh.url, { maxConnections: 3 });
  await db.query(sql`create table entry (name text constraint entry_pkey primary key)`);
});

beforeEach(async () => {
  await db.query(sql`truncate entry`);
});

afterAll(async () => {
  await db.close();
  await fresh[Symbol.asyncDispose]();
});

const names = async (): Promise<string[]> => {
  const rows = await db.query<{ name: string }>(sql`select name from entry order by name`);
  return rows.map(({ name }) => name);
};

describe("a transaction", () => {
  test("commits all of its statements and answers what the work answers", async () => {
    const result = await db.transaction(async (transaction) => {
      await Promise.all(
        ["a", "b", "c"].map((name) => transaction.query(sql`insert into entry values (${name})`)),
      );
      return "done";
    });
    expect(result).toBe("done");
    expect(await names()).toEqual(["a", "b", "c"]);
  });

  test("leaves nothing when the work rejects", async () => {
    const work = db.transaction(async (transaction) => {
      await transaction.query(sql`insert into entry values ('a')`);
      throw new Error("changed my mind");
    });
    await expect(work).rejects.toThrow("changed my mind");
    expect(await names()).toEqual([]);
  });

  test("rejects when the work ignores that a statement failed", async () => {
    const work = db.transaction(async (transaction) => {
      await transaction.query(sql`insert into entry values ('a')`);
      await transaction.query(sql`insert into entry values ('a')`).catch(() => undefined);
    });
    await expect(work).rejects.toMatchObject({ code: "25P02" });
    expect(await names()).toEqual([]);
  });

  test("refuses statements after its end", async () => {
    const escaped = await db.transaction(async (transaction) => transaction);
    await expect(escaped.query(sql`insert into entry values ('late')`)).rejects.toThrow(
      "the transaction is over",
    );
    expect(await names()).toEqual([]);
  });

  test("is one of more than there are connections, and all are served", async () => {
    const all = Array.from({ length: 50 }, (_, index) =>
      db.transaction((transaction) => transaction.query(sql`insert into entry values (${String(index)})`)),
    );
    await Promise.all(all);
    expect(await names()).toHaveLength(50);
    const [used] = await db.query(
      sql`select count(*) from pg_stat_activity where datname = current_database()`,
    );
    expect(used).toEqual({ count: 3 });
  });
});

describe("a failed statement", () => {
  test("tells its constraint and table, and not the values", async () => {
    await db.query(sql`insert into entry values ('secret value')`);
    const error: unknown = await db
      .query(sql`insert into entry values ('secret value')`)
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      code: "23505",
      constraint: "entry_pkey",
      table: "public.entry",
      phase: "statement",
    });
    expect(isUniqueViolation(error, "entry_pkey")).toBe(true);
    expect(isDataError(error)).toBe(true);
    expect(JSON.stringify(error) + String((error as Error).stack)).not.toContain("secret value");
  });

  // The driver counts the rows of a statement that fails half-way to those of the next.
  test("does not leave rows to the next one on its connection", async () => {
    await using single = new Database(fresh.url, { maxConnections: 1 });
    const failing = single.query(sql`select 100 / (3 - n) as share from generate_series(1, 5) as n`);
    await expect(failing).rejects.toMatchObject({ code: "22012" });
    await expect(single.query(sql`select 7 as lucky`)).resolves.toEqual([{ lucky: 7 }]);
  });

  test("is ended by Postgres at its time limit, with an unknown outcome", async () => {
    await using hasty = new Database(fresh.url, { statementTimeoutMs: 50 });
    const error: unknown = await hasty.query(sql`select pg_sleep(60)`).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "57014" });
    expect(isOutcomeUnknown(error)).toBe(true);
    await expect(hasty.query(sql`select 1 as alive`)).resolves.toEqual([{ alive: 1 }]);
  });
});

describe("a prepared statement", () => {
  test("outlives a change of its table", async () => {
    await using single = new Database(fresh.url, { maxConnections: 1 });
    await single.query(sql`create table shape (a int)`);
    const select = () => single.query(sql`select * from shape`);
    await select();
    await single.query(sql`alter table shape add column b int default 2`);
    await single.query(sql`insert into shape values (1)`);
    await expect(select()).resolves.toEqual([{ a: 1, b: 2 }]);
  });
});

describe("a session", () => {
  test("keeps its settings to itself", async () => {
    await using single = new Database(fresh.url, { maxConnections: 1 });
    await single.session((session) =>
      session.script("set search_path = pg_temp; create temporary table mine (a int)"),
    );
    await expect(single.query(sql`select to_regclass('mine')::text as mine`)).resolves.toEqual([
      { mine: null },
    ]);
  });
});
