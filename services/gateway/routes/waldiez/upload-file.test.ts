import { createRouterTransport } from "@connectrpc/connect";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { SchedulerService } from "../../../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { logger } from "../../../../lib/log/log.ts";
import { serve } from "../../../../lib/rpc/serve.ts";
import { aCaller } from "../../../../test/support/a-caller.ts";
import { httpApp } from "../../http/http-app.ts";
import { createTask } from "./create-task.ts";
import { uploadFile } from "./upload-file.ts";

const log = logger("gateway", "silent");
const opened = new AsyncDisposableStack();

/** What was fetched, and how many bytes were stored. */
let fetched: string[];
let stored: number;
let url: string;

beforeAll(async () => {
  const transport = createRouterTransport(({ service }) =>
    service(SchedulerService, {
      async uploadFile(requests) {
        for await (const { part } of requests) if (part.case === "chunk") stored += part.value.length;
        return { upload: { uploadId: "u1" } };
      },
    }),
  );
  const create = createTask({
    settings: { maxJobs: 5, inputTimeoutSeconds: 180, maxTaskSeconds: 0, fileUrlAllowedHosts: [] },
    fetchFile: async ({ href }) => {
      fetched.push(href);
      return Buffer.from("{}");
    },
    permit: async () => undefined,
  });
  const verify = async () => aCaller();
  const fallback = httpApp({
    routes: [uploadFile(), create],
    transports: { auth: transport, scheduler: transport, taskio: transport },
    verify,
    tokenFor: () => undefined,
    maxHeldBytes: 200_000,
    log,
  });
  const server = await serve({ host: "127.0.0.1", port: 0, services: [], fallback, verify, log });
  opened.use(server);
  url = `${server.url}/api/v1/tasks`;
});

beforeEach(() => {
  fetched = [];
  stored = 0;
});

afterAll(() => opened.disposeAsync());

async function post(path: string, body: FormData) {
  const answer = await fetch(url + path, { method: "POST", headers: { authorization: "Bearer good" }, body });
  return { status: answer.status, text: await answer.text() };
}

function flowOf(bytes: number): FormData {
  const form = new FormData();
  const lists = { nodes: [], edges: [], models: [], tools: [], chats: [] };
  const data = { ...lists, agents: { users: [{ id: "u1", name: "a".repeat(bytes) }] } };
  const flow = { type: "flow", data };
  form.append("file", new Blob([JSON.stringify(flow)]), "a.waldiez");
  return form;
}

describe("a file that is read whole", () => {
  test("is held for its call alone when it is uploaded, and refused when there is no room", async () => {
    for (let count = 0; count < 3; count += 1)
      expect(await post("/upload", flowOf(70_000))).toEqual({ status: 204, text: "" });
    const before = stored;
    const refused = await post("/upload", flowOf(110_000));
    expect([refused.status, stored - before]).toEqual([429, 0]);
    expect(refused.text).toContain("TOO_MANY_CALLS");
  });

  test("is not fetched when there is no room for the largest that it may be", async () => {
    const form = new FormData();
    form.append("file_url", "https://example.com/a.waldiez");
    expect((await post("", form)).status).toBe(429);
    expect(fetched).toEqual([]);
  });
});
