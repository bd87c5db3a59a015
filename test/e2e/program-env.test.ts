/*
 * A secret in a program's environment, from the call to the program: what is
 * looked through for it is everything that is kept, sent, said and shown.
 */
import { randomUUID } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Database } from "../../lib/postgres/database.ts";
import { type Antiphon, startAllInOne } from "../support/antiphon-processes.ts";
import { everyCommandLine } from "../support/every-command-line.ts";
import { freshDatabase } from "../support/fresh-database.ts";
import { tablesThatHold } from "../support/search-database.ts";
import { startRedis } from "../support/start-redis.ts";

const stack = new AsyncDisposableStack();
/** All that Redis was told and all that the server logged. */
const traffic: Buffer[] = [];
const logged: Buffer[] = [];
let antiphon: Antiphon;
let db: Database;
let token: string;

beforeAll(async () => {
  const database = stack.use(await freshDatabase());
  const redis = stack.use(await startRedis());
  db = stack.use(new Database(database.url));
  antiphon = stack.use(
    await startAllInOne({ DATABASE_URL: database.url, REDIS_URL: redis.url, LOG_LEVEL: "trace" }),
  );
  antiphon.processes.get("all")?.stderr?.on("data", (chunk: Buffer) => logged.push(chunk));
  const monitor = connect(redis.url);
  monitor.on("error", () => monitor.destroy());
  monitor.on("data", (chunk) => traffic.push(chunk));
  monitor.write("MONITOR\r\n");
  stack.defer(() => {
    monitor.destroy();
  });
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

/** Calls by JSON over HTTP, as curl does. */
async function call(procedure: string, body: unknown) {
  const response = await fetch(`${antiphon.url}/antiphon.${procedure}`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    body: JSON.stringify(body),
  });
  // Answers are walked by a test that knows their shapes.
  // oxlint-disable-next-line typescript/no-explicit-any
  return (await response.json()) as any;
}

const source = `
import antiphon, os
print(len(os.environ["TOKEN"]), flush=True)
(antiphon.output_dir() / "names.txt").write_text("TOKEN" if "TOKEN" in os.environ else "")
print("answered with", repr(input("go on? ")))
`;

test("a secret in a program's environment reaches it, and is to be found nowhere else", async () => {
  const secret = `secret-${randomUUID()}`;
  const mark = `mark-${randomUUID()}`;
  const { task } = await call("scheduler.v1.SchedulerService/SubmitTask", {
    program: {
      fileName: "a.py",
      content: Buffer.from(source).toString("base64"),
      arguments: [mark],
      env: { TOKEN: secret },
      promptTimeout: "2s",
    },
  });
  const { taskId } = task;
  let text = "";
  let after = "";
  const commandLines: string[] = [];
  for (;;) {
    const news = await call("taskio.v1.TaskIOService/GetTranscript", { taskId, after, wait: "10s" });
    for (const { output } of news.entries ?? []) {
      if (output !== undefined) text += Buffer.from(output.data, "base64").toString();
    }
    commandLines.push(...everyCommandLine());
    after = news.nextAfter;
    if (news.ended === true) break;
  }
  expect(text).toBe(`${secret.length}\nanswered with ''\n`);
  const events = await call("scheduler.v1.SchedulerService/ListRunEvents", { runId: taskId });
  const got = await call("scheduler.v1.SchedulerService/GetTask", { taskId });
  expect(got.task).toMatchObject({ state: "TASK_STATE_COMPLETED", artifacts: [{ path: "names.txt" }] });

  // What is looked for in the same way and is no secret is found.
  expect(await tablesThatHold(db, mark)).toContain("scheduler.run_event");
  expect(Buffer.concat(traffic).includes(mark)).toBe(true);
  expect(commandLines.some((line) => line.includes(mark))).toBe(true);
  expect(Buffer.concat(logged).length).toBeGreaterThan(0);

  expect(await tablesThatHold(db, secret)).toEqual([]);
  expect(Buffer.concat(traffic).includes(secret)).toBe(false);
  expect(Buffer.concat(logged).includes(secret)).toBe(false);
  expect(commandLines.filter((line) => line.includes(secret))).toEqual([]);
  expect(JSON.stringify([events, got])).not.toContain(secret);
  expect(filesThatHold(antiphon.dataDirectory, secret)).toEqual([]);
});

/** The files below a folder in which a text stands. */
function filesThatHold(folder: string, text: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
    .filter((path) => readFileSync(path).includes(text));
}
