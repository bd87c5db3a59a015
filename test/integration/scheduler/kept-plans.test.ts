import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Database } from "../../../lib/postgres/database.ts";
import { sql } from "../../../lib/postgres/sql.ts";
import { historyStore } from "../../../services/scheduler/history-store.ts";
import { freshDatabase } from "../../support/fresh-database.ts";
import type { FreshDatabase } from "../../support/start-postgres.ts";

let fresh: FreshDatabase;
let db: Database;

beforeAll(async () => {
  fresh = await freshDatabase();
  // Postgres counts the uses of plans by connection.
  db = new Database(fresh.url, { maxConnections: 1 });
});

afterAll(async () => {
  await db.close();
  await fresh[Symbol.asyncDispose]();
});

/** So often Postgres plans anew before it compares that with a plan to keep. */
const trials = 5;

const uses = 20;

/** How often a kept plan served the statements that name a table, each of which ran `uses` times. */
async function keptPlansOf(words: string): Promise<number[]> {
  const rows = await db.query<{ generic_plans: bigint | number }>(sql`
    select generic_plans
    from pg_prepared_statements
    where position(${words}::text in statement) > 0
      and position('pg_prepared_statements' in statement) = 0
  `);
  return rows.map(({ generic_plans }) => Number(generic_plans));
}

test("a commit is not planned anew each time", async () => {
  const history = historyStore(db);
  const at = new Date();
  const payload = new TextEncoder().encode("{}");
  for (let use = 0; use < uses; use += 1) {
    const outcome = await history.append({
      incarnation: randomUUID(),
      claims: [{ partition: 1, epoch: 1 }],
      events: [{ run_id: randomUUID(), seq: 1, type: "task_ended", node_id: "A", attempt: 1, at, payload }],
      started: [],
      changed: [],
      programs: [],
    });
    expect(outcome).toBe("fenced");
  }
  expect(await keptPlansOf("insert into scheduler.run_event")).toEqual([uses - trials]);
});

test("reading runs is not planned anew each time", async () => {
  const history = historyStore(db);
  for (let use = 0; use < uses; use += 1) {
    await history.eventsOf([randomUUID()]);
    await history.eventsToDecide([randomUUID()]);
  }
  expect(await keptPlansOf("as wanted (run_id)")).toEqual([uses - trials, uses - trials]);
});
