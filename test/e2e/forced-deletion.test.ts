/*
 * A program that is deleted while it runs, from the call to the end of its
 * process.
 */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Database } from "../../lib/postgres/database.ts";
import { sql } from "../../lib/postgres/sql.ts";
import { type Antiphon, startAllInOne } from "../support/antiphon-processes.ts";
import { everyCommandLine } from "../support/every-command-line.ts";
import { freshDatabase } from "../support/fresh-database.ts";
import { until } from "../support/until.ts";

const stack = new AsyncDisposableStack();
let antiphon: Antiphon;
let db: Database;
let token: string;

beforeAll(async () => {
  const database = stack.use(await freshDatabase());
  db = stack.use(new Database(database.url));
  antiphon = stack.use(await startAllInOne({ DATABASE_URL: database.url }));
  const client = antiphon.clients.find(({ audience }) => audience === "tasks-api");
  const answer = await fetch(`${antiphon.url}/auth/token`, {
    method: "POST",
    body: new URLSearchParams({
      client_id: client?.client_id ?? "",
      client_secret: client?.client_secret ?? "",
    }),
  });
  token = ((await answer.json()) as { access_token: string }).access_token;
});
afterAll(async () => await stack.disposeAsync());

/** Calls the scheduler by JSON over HTTP, as curl does. */
async function call(procedure: string, body: unknown) {
  const response = await fetch(`${antiphon.url}/antiphon.scheduler.v1.SchedulerService/${procedure}`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    body: JSON.stringify(body),
  });
  const answer = (await response.json()) as { task?: { taskId: string; state: string } };
  return { status: response.status, ...answer };
}

const source = `
import signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("here", flush=True)
while True: time.sleep(1)
`;

test("a program that is deleted by force ends, though it would not, and nothing of it is left", async () => {
  const mark = `mark-${randomUUID()}`;
  const program = {
    fileName: "stubborn.py",
    content: Buffer.from(source).toString("base64"),
    arguments: [mark],
  };
  const { task } = await call("SubmitTask", { program });
  const taskId = task?.taskId ?? "";
  const isThere = () => everyCommandLine().some((line) => line.includes(mark));
  await until("its process is there", isThere, 120_000);
  expect((await call("DeleteRun", { runId: taskId })).status).toBe(400);
  expect((await call("DeleteRun", { runId: taskId, force: true })).status).toBe(200);
  expect((await call("GetTask", { taskId })).status).toBe(404);
  await until("its process has ended", () => !isThere(), 60_000);
  await until(
    "nothing of it is left",
    async () => {
      const rows = await db.query(sql`
        select run_id from scheduler.run where run_id = ${taskId}::uuid and removed_at is null
        union all
        select run_id from scheduler.run_event where run_id = ${taskId}::uuid
        union all
        select run_id from scheduler.program where run_id = ${taskId}::uuid
        union all
        select null from taskio.transcript_entry where task_id = ${taskId}
      `);
      return rows.length === 0;
    },
    60_000,
  );
});
