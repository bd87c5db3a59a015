/*
 * What clients of the Waldiez runner do, through HTTP as they do it, against
 * everything in one process.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Antiphon, startAllInOne } from "../support/antiphon-processes.ts";
import { until } from "../support/until.ts";
import {
  type Calls,
  callsWith,
  chatFlow,
  clientFor,
  flowForm,
  tokenOf,
  type WaldiezTask,
} from "../support/waldiez-client.ts";

/** The first flow waits for its environment, which is built from the package index. */
const flowMs = 900_000;

let antiphon: Antiphon;
let manager: Calls;
let chat: Buffer;

beforeAll(async () => {
  antiphon = await startAllInOne();
  manager = await clientFor(antiphon, "clients-api");
  chat = await chatFlow();
}, 180_000);

afterAll(async () => await antiphon?.[Symbol.asyncDispose]());

/** A client for tasks that nobody else uses. */
async function newClient(): Promise<{
  readonly calls: Calls;
  readonly id: string;
  readonly clientId: string;
}> {
  const made = await manager("POST", "/api/v1/clients", JSON.stringify({ name: "tester" }));
  expect(made.status).toBe(200);
  const { id, client_id: clientId } = made.json;
  return { calls: callsWith(antiphon.url, await tokenOf(antiphon.url, made.json)), id, clientId };
}

const task = async (calls: Calls, id: string): Promise<WaldiezTask> =>
  (await calls("GET", `/api/v1/tasks/${id}`)).json as WaldiezTask;

/** Plays a user who answers every question of a task until it is over. */
async function played(calls: Calls, id: string, answer: string): Promise<WaldiezTask> {
  const answered = new Set<string>();
  return await until(
    `task ${id} is over`,
    async () => {
      const now = await task(calls, id);
      const question = now.input_request_id;
      if (question !== null && !answered.has(question)) {
        answered.add(question);
        const body = JSON.stringify({ request_id: question, data: answer });
        expect((await calls("POST", `/api/v1/tasks/${id}/input`, body)).status).toBe(204);
      }
      return ["COMPLETED", "FAILED", "CANCELLED"].includes(now.status) && now;
    },
    flowMs,
  );
}

describe("the life of clients and tasks", () => {
  test("keeps tokens to what they are for", async () => {
    const { calls, id } = await newClient();
    expect((await manager("GET", "/api/v1/tasks")).json).toMatchObject({ detail: "Invalid credentials." });
    expect((await manager("GET", "/api/v1/tasks")).status).toBe(401);
    expect((await calls("GET", "/api/v1/clients")).status).toBe(401);
    expect((await calls("GET", "/api/v1/admin/tasks")).status).toBe(401);
    expect((await calls("DELETE", `/api/v1/clients/${id}`)).status).toBe(401);
    expect(await callsWith(antiphon.url, undefined)("GET", "/api/v1/tasks/")).toMatchObject({
      status: 401,
      json: { detail: "Not authenticated" },
    });
    expect((await calls("GET", "/api/v1/tasks/")).json).toEqual({
      items: [],
      total: 0,
      page: 1,
      size: 50,
      pages: 0,
    });
  });

  test("lists, changes and removes clients, of which the one that asks stays", async () => {
    const [first, second] = [await newClient(), await newClient()];
    const { json } = await manager("GET", "/api/v1/clients?size=100");
    const ids = json.items.map((client: { id: string }) => client.id);
    expect(ids).toEqual(expect.arrayContaining([first.id, second.id]));
    // Their Python client takes no other audience.
    expect(json.items.map((client: { audience: string }) => client.audience)).not.toContain("admin-api");
    const changed = await manager("PATCH", `/api/v1/clients/${first.id}`, '{"description":"of a test"}');
    expect(changed.json).toMatchObject({ id: first.id, description: "of a test", name: "tester" });
    const found = await manager("GET", "/api/v1/clients?search=of%20a%20test");
    expect(found.json).toMatchObject({ total: 1, items: [{ id: first.id }] });
    expect((await manager("DELETE", `/api/v1/clients/${first.clientId}`)).status).toBe(204);
    expect((await manager("DELETE", `/api/v1/clients/${first.id}`)).status).toBe(204);
    expect(await manager("GET", `/api/v1/clients/${first.id}`)).toMatchObject({
      status: 404,
      json: { detail: "Client not found." },
    });
    expect((await first.calls("GET", "/api/v1/tasks")).status).toBe(401);
    const own = antiphon.clients.find(({ audience }) => audience === "clients-api")?.client_id ?? "";
    expect((await manager("DELETE", `/api/v1/clients/${own}`)).status).toBe(403);
    expect((await manager("DELETE", `/api/v1/clients?ids=${own}`)).status).toBe(400);
    expect((await manager("DELETE", `/api/v1/clients?ids=${second.id}&excluded=${second.id}`)).status).toBe(
      204,
    );
    expect((await manager("GET", `/api/v1/clients/${second.id}`)).status).toBe(200);
    expect((await manager("DELETE", `/api/v1/clients?ids=${second.id}`)).status).toBe(204);
    expect((await manager("GET", `/api/v1/clients/${second.id}`)).status).toBe(404);
  });

  test(
    "carries out two flows that ask at once, and hands out what they left",
    async () => {
      const { calls } = await newClient();
      const first = await calls(
        "POST",
        "/api/v1/tasks?input_timeout=240",
        flowForm(chat, { name: "a.waldiez" }),
      );
      const second = await calls("POST", "/api/v1/tasks", flowForm(chat, { name: "b.waldiez" }));
      expect([first.status, second.status]).toEqual([200, 200]);
      expect(first.json).toMatchObject({
        status: "PENDING",
        filename: "a.waldiez",
        input_timeout: 240,
        results: null,
        schedule_type: null,
      });
      expect(second.json.input_timeout).toBe(180);
      const [one, other] = await Promise.all([
        played(calls, first.json.id, "from the first"),
        played(calls, second.json.id, "from the second"),
      ]);
      expect([one, other]).toMatchObject([{ status: "COMPLETED" }, { status: "COMPLETED" }]);
      expect(one.results).toMatchObject([{ index: 0, last_speaker: "assistant" }]);
      const archive = await calls("GET", `/api/v1/tasks/${one.id}/download`);
      expect(archive.headers.get("content-type")).toBe("application/zip");
      expect(archive.headers.get("content-disposition")).toBe(`attachment; filename=${one.id}.zip`);
      expect(archive.bytes.includes("waldiez_out")).toBe(true);
      const { json: list } = await calls(
        "GET",
        "/api/v1/tasks?status=COMPLETED&order_by=filename&order_type=desc",
      );
      expect(list.items.map(({ filename }: WaldiezTask) => filename)).toEqual(["b.waldiez", "a.waldiez"]);
      expect(list.items.map(({ results }: WaldiezTask) => results)).toEqual([null, null]);
      expect((await calls("GET", "/api/v1/tasks/count?inactive_only=true")).json).toEqual({ count: 2 });
      expect((await calls("DELETE", `/api/v1/tasks/${one.id}`)).status).toBe(204);
      expect((await calls("GET", `/api/v1/tasks/${one.id}`)).status).toBe(404);
      expect((await calls("DELETE", "/api/v1/tasks")).status).toBe(204);
      expect((await calls("GET", "/api/v1/tasks")).json.total).toBe(0);
    },
    flowMs,
  );

  test(
    "cancels a task, which is over then, and deletes an active one by force",
    async () => {
      const { calls } = await newClient();
      const { json: made } = await calls("POST", "/api/v1/tasks", flowForm(chat));
      const refused = await calls("DELETE", `/api/v1/tasks/${made.id}`);
      expect([refused.status, refused.json.detail]).toEqual([
        400,
        expect.stringMatching(/^Cannot delete task with status /),
      ]);
      const cancelled = await calls("POST", `/api/v1/tasks/${made.id}/cancel`);
      expect(cancelled).toMatchObject({ status: 200, json: { id: made.id, status: "CANCELLED" } });
      expect((await calls("POST", `/api/v1/tasks/${made.id}/cancel`)).json).toMatchObject({
        detail: "Cannot cancel task with status CANCELLED",
      });
      const over = await until(
        "it is over",
        async () => {
          const now = await task(calls, made.id);
          return now.results !== null && now;
        },
        120_000,
      );
      expect(over).toMatchObject({ status: "CANCELLED", results: { detail: "Task cancelled" } });
      const { json: next } = await calls("POST", "/api/v1/tasks", flowForm(chat));
      expect((await calls("DELETE", `/api/v1/tasks/${next.id}?force=true`)).status).toBe(204);
      expect((await calls("GET", `/api/v1/tasks/${next.id}`)).status).toBe(404);
    },
    flowMs,
  );
});

describe("a task that is submitted", () => {
  test("is of a file that may be one, and no other", async () => {
    const { calls } = await newClient();
    const submit = async (body: FormData | URLSearchParams) => {
      const { status, json } = await calls("POST", "/api/v1/tasks", body);
      return [status, json.detail];
    };
    expect(await submit(flowForm("x", { name: "flow.py" }))).toEqual([400, "Invalid file type"]);
    expect(await submit(flowForm("", {}))).toEqual([400, "The file is empty"]);
    expect(await submit(flowForm(Buffer.from("504b0304140000000800", "hex")))).toEqual([
      400,
      "Invalid file type: application/octet-stream",
    ]);
    expect(await submit(flowForm(Buffer.alloc(5 * 1024 * 1024 + 1, "a")))).toEqual([
      400,
      "File exceeds maximum size of 5.0 MB",
    ]);
    expect((await submit(flowForm(Buffer.alloc(9 * 1024 * 1024, "a"))))[0]).toBe(413);
    expect((await submit(new FormData()))[0]).toBe(400);
    expect((await submit(flowForm("{}", { filename: "flow.waldiez" })))[0]).toBe(400);
    expect(await submit(new URLSearchParams({ filename: "none.waldiez" }))).toEqual([
      404,
      "File not found: none.waldiez",
    ]);
    for (const url of [
      "http://example.com/a.waldiez",
      "ftp://a/b",
      "file:///etc/passwd",
      "sftp://a/b",
      "s3://a/b",
    ])
      expect((await submit(new URLSearchParams({ file_url: url })))[0]).toBe(400);
    expect((await calls("GET", "/api/v1/tasks/count")).json).toEqual({ count: 0 });
  });

  test(
    "need not be a flow: what is none fails when it is carried out",
    async () => {
      const { calls } = await newClient();
      const { status, json } = await calls("POST", "/api/v1/tasks", flowForm('{"key":"value"}'));
      expect(status).toBe(200);
      const over = await played(calls, json.id, "");
      expect(over).toMatchObject({ status: "FAILED", results: { error: expect.any(String) } });
    },
    flowMs,
  );

  test("is of a file that was uploaded before, as often as wanted", async () => {
    const { calls } = await newClient();
    expect((await calls("POST", "/api/v1/tasks/upload", flowForm('{"key":"value"}'))).status).toBe(422);
    expect(
      (await calls("POST", "/api/v1/tasks/upload", flowForm(chat, { name: "kept.waldiez" }))).status,
    ).toBe(204);
    for (const _ of [1, 2]) {
      const made = await calls("POST", "/api/v1/tasks", new URLSearchParams({ filename: "kept.waldiez" }));
      expect(made).toMatchObject({ status: 200, json: { filename: "kept.waldiez" } });
      expect((await calls("DELETE", `/api/v1/tasks/${made.json.id}?force=true`)).status).toBe(204);
    }
  });

  test("is refused twice at once, and beyond what a client may have active", async () => {
    const { calls } = await newClient();
    const submit = async (name: string, more = {}) =>
      await calls("POST", "/api/v1/tasks", flowForm(chat, { name, ...more }));
    const { json: first } = await submit("same.waldiez");
    expect(first.flow_id).toMatch(/^[0-9a-f]{32}-[0-9a-f]{8}$/);
    expect(await submit("same.waldiez")).toMatchObject({
      status: 400,
      json: {
        detail: expect.stringMatching(
          new RegExp(`^A task with the same file already exists. Task ID: ${first.id}, status: [A-Z_]+$`),
        ),
      },
    });
    const { json: forced } = await submit("same.waldiez", { force: "true" });
    expect(forced.flow_id).toMatch(new RegExp(`^${first.flow_id}-[0-9a-f]{8}$`));
    for (const name of ["c.waldiez", "d.waldiez", "e.waldiez"]) expect((await submit(name)).status).toBe(200);
    expect(await submit("f.waldiez")).toMatchObject({
      status: 400,
      json: { detail: expect.stringContaining("Cannot create more than 5 tasks at the same time") },
    });
    expect((await calls("GET", "/api/v1/tasks/count?active_only=true")).json).toEqual({ count: 5 });
    expect((await calls("DELETE", "/api/v1/tasks?force=true")).status).toBe(204);
    expect((await calls("GET", "/api/v1/tasks/count")).json).toEqual({ count: 0 });
  });

  test("is the same again for a repeat with the same Idempotency-Key", async () => {
    const { calls } = await newClient();
    const submit = async (content: string | Buffer, key: string) =>
      await calls("POST", "/api/v1/tasks", flowForm(content), { "idempotency-key": key });
    const [first, second] = [await submit(chat, "once"), await submit(chat, "once")];
    expect([first.status, second.status, second.json.id]).toEqual([200, 200, first.json.id]);
    expect((await submit('{"another":"file"}', "once")).status).toBe(409);
    expect((await calls("GET", "/api/v1/tasks/count")).json).toEqual({ count: 1 });
    expect((await calls("DELETE", "/api/v1/tasks?force=true")).status).toBe(204);
  });

  test("at given times is one task, whose schedule can be changed and ended", async () => {
    const { calls } = await newClient();
    const refused = await calls("POST", "/api/v1/tasks", flowForm(chat, { schedule_type: "once" }));
    expect(refused).toMatchObject({ status: 422, json: { detail: [{ loc: ["body", "scheduled_time"] }] } });
    const cron = { schedule_type: "cron", cron_expression: "every 15 of january" };
    const { status, json: made } = await calls("POST", "/api/v1/tasks", flowForm(chat, cron));
    expect([status, made]).toMatchObject([
      200,
      { status: "PENDING", schedule_type: "cron", cron_expression: "0 0 15 1 *", filename: "flow.waldiez" },
    ]);
    const path = `/api/v1/tasks/${made.id}`;
    const changed = await calls(
      "PUT",
      path,
      '{"cron_expression":"every monday","input_timeout":3,"status":null}',
    );
    expect(changed).toMatchObject({ status: 200, json: { cron_expression: "0 0 * * 1" } });
    const once = '{"schedule_type":"once","scheduled_time":"2031-01-01T00:00:00Z"}';
    expect((await calls("PATCH", path, once)).json).toMatchObject({
      schedule_type: "once",
      scheduled_time: "2031-01-01T00:00:00.000Z",
      cron_expression: null,
    });
    expect((await calls("GET", "/api/v1/tasks")).json).toMatchObject({ total: 1, items: [{ id: made.id }] });
    expect((await calls("POST", `${path}/cancel`)).json).toMatchObject({ status: "CANCELLED" });
    expect((await calls("PATCH", path, once)).status).toBe(400);
    expect((await calls("DELETE", path)).status).toBe(204);
    expect((await calls("GET", path)).status).toBe(404);
  });
});

test(
  "a scheduled task has the questions, results and files of what it started last",
  async () => {
    const { calls } = await newClient();
    const now = { schedule_type: "cron", cron_expression: "every 15 of january", trigger_now: "true" };
    const { json: cron } = await calls("POST", "/api/v1/tasks", flowForm(chat, now));
    const asking = await until(
      "it asks",
      async () => {
        const shown = await task(calls, cron.id);
        return shown.status === "WAITING_FOR_INPUT" && shown;
      },
      flowMs,
    );
    const body = JSON.stringify({ request_id: asking.input_request_id, data: "hello" });
    expect((await calls("POST", `/api/v1/tasks/${cron.id}/input`, body)).status).toBe(204);
    // It asks once more, or is about to.
    expect((await calls("POST", `/api/v1/tasks/${cron.id}/cancel`)).json).toMatchObject({
      status: "CANCELLED",
      results: { detail: "Task cancelled" },
    });

    const soon = { schedule_type: "once", scheduled_time: new Date().toISOString(), name: "once.waldiez" };
    const { json: once } = await calls("POST", "/api/v1/tasks", flowForm(chat, soon));
    const over = await played(calls, once.id, "hello");
    expect(over).toMatchObject({ status: "COMPLETED", results: [{ index: 0 }], schedule_type: "once" });
    expect((await calls("GET", `/api/v1/tasks/${once.id}/download`)).status).toBe(200);
    const { json: list } = await calls("GET", "/api/v1/tasks");
    expect(list).toMatchObject({ total: 2, items: [{ id: cron.id }, { id: once.id }] });
    expect((await calls("DELETE", "/api/v1/tasks")).status).toBe(204);
    expect((await calls("GET", "/api/v1/tasks/count")).json).toEqual({ count: 0 });
  },
  flowMs,
);

describe("what else is asked", () => {
  test("is answered in whole numbers about the server, and OK about its health", async () => {
    const { calls } = await newClient();
    for (const who of [calls, manager]) {
      const { status, json } = await who("GET", "/status");
      expect(status).toBe(200);
      expect(
        Object.values(json).every((value) => typeof value === "boolean" || Number.isInteger(value)),
      ).toBe(true);
      expect(json).toMatchObject({ healthy: true, max_capacity: expect.any(Number) });
    }
    const open = callsWith(antiphon.url, undefined);
    expect((await open("GET", "/status")).status).toBe(401);
    expect((await open("GET", "/robots.txt")).bytes.toString()).toBe("User-agent: *\nDisallow: /");
    expect((await open("GET", "/health", undefined, { accept: "text/plain" })).bytes.toString()).toBe("OK");
  });

  test("by an administrator is answered about everybody's tasks", async () => {
    const { calls, clientId } = await newClient();
    const { json: made } = await calls("POST", "/api/v1/tasks", flowForm(chat));
    const admin = await clientFor(antiphon, "admin-api");
    const { json } = await admin("GET", "/api/v1/admin/tasks?size=100");
    expect(json.items).toContainEqual(expect.objectContaining({ id: made.id, client_id: clientId }));
    expect((await admin("POST", "/api/v1/tasks", flowForm(chat))).status).toBe(401);
    expect((await admin("DELETE", `/api/v1/tasks/${made.id}?force=true`)).status).toBe(204);
    expect((await calls("GET", `/api/v1/tasks/${made.id}`)).status).toBe(404);
  });
});
