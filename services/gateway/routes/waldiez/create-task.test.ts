import { createHash } from "node:crypto";
import { createRouterTransport } from "@connectrpc/connect";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import {
  SchedulerService,
  type SubmitTaskRequest,
} from "../../../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { TaskState } from "../../../../gen/antiphon/scheduler/v1/task_pb.ts";
import { DomainError } from "../../../../lib/errors/domain-error.ts";
import { logger } from "../../../../lib/log/log.ts";
import { serve } from "../../../../lib/rpc/serve.ts";
import { toConnectError } from "../../../../lib/rpc/to-connect-error.ts";
import { aCaller } from "../../../../test/support/a-caller.ts";
import { httpApp } from "../../http/http-app.ts";
import { createTask } from "./create-task.ts";

const log = logger("gateway", "silent");
const opened = new AsyncDisposableStack();
const uploaded: { readonly name: string; readonly text: string; readonly isSingleUse: boolean }[] = [];
const submissions: SubmitTaskRequest[] = [];
let refusal: DomainError | undefined;
let isPermitted = true;
let url: string;

/** Keeps what is uploaded and submitted; refuses with `refusal` where there is one. */
const scheduler = createRouterTransport(({ service }) =>
  service(SchedulerService, {
    async uploadFile(requests) {
      let name = "";
      let isSingleUse = false;
      const chunks: Uint8Array[] = [];
      for await (const { part, singleUse } of requests) {
        if (part.case === "fileName") [name, isSingleUse] = [part.value, singleUse];
        else if (part.case === "chunk") chunks.push(part.value);
      }
      const bytes = Buffer.concat(chunks);
      uploaded.push({ name, text: bytes.toString(), isSingleUse });
      return {
        upload: { uploadId: "u1", fileName: name, md5: createHash("md5").update(bytes).digest("hex") },
      };
    },
    submitTask(request) {
      if (refusal !== undefined) throw toConnectError(refusal);
      submissions.push(request);
      const { program, labels } = request;
      const createdAt = { seconds: 1_900_000_000n };
      return {
        task: {
          taskId: "t1",
          runId: "t1",
          name: program?.fileName ?? "",
          labels,
          createdAt,
          state: TaskState.QUEUED,
        },
      };
    },
  }),
);

beforeAll(async () => {
  const route = createTask({
    settings: { maxJobs: 5, inputTimeoutSeconds: 180, maxTaskSeconds: 0, fileUrlAllowedHosts: [] },
    fetchFile: async ({ href }) => Buffer.from(`fetched from ${href}`),
    permit: async () => {
      if (!isPermitted) throw new DomainError("NOT_PERMITTED", "no more than three a day");
    },
  });
  const verify = async () => aCaller();
  const transports = { auth: scheduler, scheduler, taskio: scheduler };
  const app = httpApp({ routes: [route], transports, verify, tokenFor: () => undefined, log });
  const server = await serve({ host: "127.0.0.1", port: 0, services: [], fallback: app, verify, log });
  opened.use(server);
  url = server.url;
});

afterEach(() => {
  refusal = undefined;
  isPermitted = true;
  uploaded.length = 0;
  submissions.length = 0;
});

afterAll(() => opened.disposeAsync());

async function post(body: FormData | URLSearchParams, query = "") {
  const headers = { authorization: "Bearer good" };
  const answer = await fetch(`${url}/api/v1/tasks${query}`, { method: "POST", headers, body });
  return { status: answer.status, json: (await answer.json()) as Record<string, unknown> };
}

function form(fields: Readonly<Record<string, string>> = {}, content = "{}", name = "a.waldiez"): FormData {
  const all = new FormData();
  // Fields come before and behind the file, as clients please.
  for (const [field, value] of Object.entries(fields)) all.set(field, value);
  all.set("file", new Blob([content]), name);
  return all;
}

describe("a new task", () => {
  test("is submitted of its file with all that the form says", async () => {
    const { status, json } = await post(
      form({ env_vars: '{"A":"b"}', input_timeout: "20", message: "hi", skip_deps: "True", trigger_now: "" }),
      "?input_timeout=30",
    );
    expect(status).toBe(200);
    expect(json).toMatchObject({ id: "t1", status: "PENDING", filename: "a.waldiez" });
    expect(uploaded).toEqual([{ name: "a.waldiez", text: "{}", isSingleUse: true }]);
    expect(submissions).toMatchObject([
      {
        program: {
          uploadId: "u1",
          env: { A: "b" },
          message: "hi",
          skipRequirements: true,
          promptTimeout: { seconds: 20n },
          wallTime: { seconds: 604_800n },
        },
        maxActive: 5,
      },
    ]);
    expect(submissions[0]?.dedupeKey).toBe(json["flow_id"]);
    expect(submissions[0]?.labels).toEqual({ "waldiez.flow_id": json["flow_id"] });
  });

  test.each([
    ["", 180n],
    ["?input_timeout=30", 30n],
    ["?input_timeout=0", undefined],
    ["?input_timeout=-1", undefined],
  ])("asked for with %j waits %s s for each answer", async (query, seconds) => {
    await post(form(), query);
    expect(submissions[0]?.program?.promptTimeout?.seconds).toBe(seconds);
  });

  test("may be of a file that is fetched", async () => {
    const { json } = await post(new URLSearchParams({ file_url: "https://example.com/flows/b" }));
    expect(json["filename"]).toBe("b.waldiez");
    expect(uploaded).toEqual([
      { name: "b.waldiez", text: "fetched from https://example.com/flows/b", isSingleUse: true },
    ]);
  });

  test("is refused before its file is taken when the operator's service does not permit it", async () => {
    isPermitted = false;
    expect(await post(form())).toEqual({
      status: 429,
      json: { detail: "no more than three a day", reason: "NOT_PERMITTED" },
    });
    expect(uploaded).toEqual([]);
  });

  test.each([
    [
      new DomainError("TASK_ACTIVE", "it is active", { task_id: "t7", state: "waiting_for_input" }),
      "A task with the same file already exists. Task ID: t7, status: WAITING_FOR_INPUT",
    ],
    [
      new DomainError("TASK_LIMIT", "too many", { limit: "5" }),
      "Cannot create more than 5 tasks at the same time. Please wait for some tasks to finish",
    ],
  ])("is refused in the words that clients know: %s", async (refused, detail) => {
    refusal = refused;
    expect(await post(form())).toEqual({ status: 400, json: { detail, reason: refused.reason } });
  });

  test.each([
    ["input_timeout", "soon"],
    ["force", "perhaps"],
    ["schedule_type", "sometimes"],
    ["scheduled_time", "tomorrow"],
  ])("with %s=%s is told where the fault is", async (field, value) => {
    const { status, json } = await post(form({ [field]: value }));
    expect([status, json]).toMatchObject([422, { detail: [{ loc: ["body", field] }] }]);
    expect(submissions).toEqual([]);
  });
});
