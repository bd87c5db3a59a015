/*
 * The same stories through every protocol on the one port, with everything in
 * one process and with a process per service.
 */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import * as grpc from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SchedulerService } from "../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { TaskState } from "../../gen/antiphon/scheduler/v1/task_pb.ts";
import {
  type AttachRequest,
  AttachRequestSchema,
  type AttachResponse,
  AttachResponseSchema,
  TaskIOService,
} from "../../gen/antiphon/taskio/v1/taskio_service_pb.ts";
import { type Antiphon, root, startAllInOne, startServices } from "../support/antiphon-processes.ts";
import { until } from "../support/until.ts";

const hello = await readFile(join(root, "examples/hello.py"));

describe.each([
  ["one process", startAllInOne],
  ["a process per service", startServices],
] as const)("with %s", (_, start) => {
  let antiphon: Antiphon;
  let token: string;

  beforeAll(async () => {
    antiphon = await start();
    token = await tokenFor("tasks-api");
  });
  afterAll(async () => await antiphon[Symbol.asyncDispose]());

  async function tokenFor(audience: string): Promise<string> {
    const client = antiphon.clients.find((one) => one.audience === audience);
    const response = await fetch(`${antiphon.url}/auth/token`, {
      method: "POST",
      body: new URLSearchParams({
        client_id: client?.client_id ?? "",
        client_secret: client?.client_secret ?? "",
      }),
    });
    const answer = (await response.json()) as { access_token: string; audience: string };
    expect(answer.audience).toBe(audience);
    return answer.access_token;
  }

  /** Calls by JSON over HTTP/1.1, as curl does. */
  async function call(procedure: string, body: unknown, bearer = token) {
    const response = await fetch(`${antiphon.url}/${procedure}`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${bearer}` },
      body: typeof body === "string" ? body : JSON.stringify(body),
    });
    // Answers are walked by tests that know their shapes.
    // oxlint-disable-next-line typescript/no-explicit-any
    return { status: response.status, body: (await response.json()) as any };
  }

  const scheduler = (method: string, body: unknown, bearer?: string) =>
    call(`antiphon.scheduler.v1.SchedulerService/${method}`, body, bearer);
  const taskio = (method: string, body: unknown) => call(`antiphon.taskio.v1.TaskIOService/${method}`, body);

  const submission = { program: { fileName: "hello.py", content: hello.toString("base64") } };

  test("answers health and nothing else without a token", async () => {
    expect(await (await fetch(`${antiphon.url}/health`)).json()).toEqual({ status: "ok" });
    expect(await (await fetch(`${antiphon.url}/healthz`)).text()).toBe("OK");
    const { status, body } = await scheduler("ListRuns", {}, "nonsense");
    expect(status).toBe(401);
    expect(body.details[0].debug.reason).toBe("TOKEN_INVALID");
    const jwks = (await (await fetch(`${antiphon.url}/.well-known/jwks.json`)).json()) as {
      keys: { kty: string }[];
    };
    expect(jwks.keys.map(({ kty }) => kty)).toEqual(["OKP"]);
  });

  test("runs a program that asks, by JSON over HTTP/1.1 alone", async () => {
    const { body: submitted } = await scheduler("SubmitTask", submission);
    const { taskId } = submitted.task;
    let after = "";
    let text = "";
    const answers: Record<string, string> = { "name? ": "Ada", "password? ": "s3cret-never-kept" };
    for (;;) {
      const { body } = await taskio("GetTranscript", { taskId, after, wait: "10s" });
      for (const { output } of body.entries ?? []) {
        if (output !== undefined) text += Buffer.from(output.data, "base64").toString();
      }
      for (const { promptId, text: question } of body.snapshot.openPrompts ?? []) {
        const answer = answers[question];
        if (answer === undefined) continue;
        delete answers[question];
        expect((await taskio("SendInput", { taskId, promptId, text: answer })).status).toBe(200);
        const second = await taskio("SendInput", { taskId, promptId, text: "another" });
        expect(second.body.details[0].debug.reason).toBe("PROMPT_CLOSED");
      }
      after = body.nextAfter;
      if (body.ended === true) break;
    }
    expect(text).toBe(
      "Hello from inside a sandbox.\nHello, Ada. Your password has 17 characters; nobody kept it.\n",
    );
    const { body: got } = await scheduler("GetTask", { taskId });
    expect(got.task.state).toBe("TASK_STATE_COMPLETED");
    expect(JSON.parse(Buffer.from(got.task.output, "base64").toString())).toEqual({
      name: "Ada",
      password_length: 17,
    });
    const { body: events } = await scheduler("ListRunEvents", { runId: taskId });
    expect(JSON.stringify(events)).not.toContain("s3cret");
  });

  test("attaches in both directions from an independent gRPC client", async () => {
    const { body: submitted } = await scheduler("SubmitTask", submission);
    const client = new grpc.Client(antiphon.url.replace("http://", ""), grpc.credentials.createInsecure());
    const metadata = new grpc.Metadata();
    metadata.set("authorization", `Bearer ${token}`);
    const stream = client.makeBidiStreamRequest<AttachRequest, AttachResponse>(
      "/antiphon.taskio.v1.TaskIOService/Attach",
      (message) => Buffer.from(toBinary(AttachRequestSchema, message)),
      (bytes) => fromBinary(AttachResponseSchema, bytes),
      metadata,
    );
    const send = (request: AttachRequest["request"]) =>
      stream.write(create(AttachRequestSchema, { request }));
    send({
      case: "open",
      value: { $typeName: "antiphon.taskio.v1.AttachRequest.Open", taskId: submitted.task.taskId, after: "" },
    });
    const seen: string[] = [];
    let output = "";
    for await (const { response } of stream as AsyncIterable<AttachResponse>) {
      if (response.case !== "news") {
        seen.push(response.case ?? "");
        continue;
      }
      const { news } = response.value;
      if (news.case === "entry" && news.value.body.case === "output") {
        output += new TextDecoder().decode(news.value.body.value.data);
      } else if (news.case === "promptOpened") {
        const { promptId = "", text = "" } = news.value.prompt ?? {};
        const answer = { promptId, text: text === "name? " ? "Grace" : "hidden", requestId: `r-${promptId}` };
        send({ case: "answer", value: { $typeName: "antiphon.taskio.v1.AttachRequest.Answer", ...answer } });
      } else if (news.case === "end") {
        seen.push(`end ${news.value.state}`);
        stream.end();
      }
    }
    client.close();
    expect(output).toContain("Hello, Grace.");
    expect(seen).toEqual(["accepted", "accepted", `end ${TaskState.COMPLETED}`]);
  });

  test.each([
    ["gRPC-web", createGrpcWebTransport],
    ["Connect", createConnectTransport],
  ] as const)("serves browsers by %s", async (_name, transportOf) => {
    const transport = transportOf({
      baseUrl: antiphon.url,
      interceptors: [
        (next) => async (request) => {
          request.header.set("authorization", `Bearer ${token}`);
          return await next(request);
        },
      ],
    });
    const tasks = createClient(SchedulerService, transport);
    const io = createClient(TaskIOService, transport);
    const { task } = await tasks.submitTask({ program: { fileName: "hello.py", content: hello } });
    const taskId = task?.taskId ?? "";
    let output = "";
    for await (const { news } of io.watch({ tasks: [{ taskId }] })) {
      const one = news?.news;
      if (one?.case === "entry" && one.value.body.case === "output") {
        output += new TextDecoder().decode(one.value.body.value.data);
      }
      if (one?.case === "promptOpened") {
        await io.sendInput({ taskId, promptId: one.value.prompt?.promptId ?? "", text: "Web" });
      }
    }
    expect(output).toContain("Hello, Web.");
  });

  test("is explained to buf curl by reflection, without a local schema", async () => {
    const buf = join(root, "node_modules/.bin/buf");
    const run = async (...args: string[]) => {
      const { stdout } = await promisify(execFile)(
        buf,
        ["curl", "--http2-prior-knowledge", "--protocol", "grpc", ...args],
        {
          cwd: "/",
        },
      );
      return stdout;
    };
    expect(await run(antiphon.url, "--list-services")).toContain("antiphon.taskio.v1.TaskIOService");
    const header = ["-H", `authorization: Bearer ${token}`];
    const procedure = `${antiphon.url}/antiphon.scheduler.v1.SchedulerService/ListTasks`;
    expect(JSON.parse(await run(...header, "-d", '{"pageSize": 1}', procedure))).toHaveProperty("tasks");
  });

  const config = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64");
  const node = (id: string, dependencies: string[] = [], more = {}) => ({
    id,
    handler: "noop",
    dependencies,
    ...more,
  });

  test.each<[what: string, method: string, body: unknown, status: number, reason: string, path?: string]>([
    ["a missing file", "SubmitTask", {}, 400, "FIELD_INVALID", "program"],
    [
      "a file of another kind",
      "SubmitTask",
      { program: { fileName: "a.exe", content: "AA==" } },
      400,
      "FILE_REJECTED",
      "program.file_name",
    ],
    [
      "a path for a file",
      "SubmitTask",
      { program: { fileName: "../a.py", content: "AA==" } },
      400,
      "FILE_REJECTED",
      "program.file_name",
    ],
    [
      "a broken flow",
      "SubmitTask",
      { program: { fileName: "a.waldiez", content: config({ type: "flow" }) } },
      400,
      "FILE_REJECTED",
      "program.content",
    ],
    ["an empty workflow", "CreateWorkflow", { name: "x", dag: {} }, 400, "FIELD_INVALID", "dag.nodes"],
    [
      "an unknown handler",
      "CreateWorkflow",
      { name: "x", dag: { nodes: [{ id: "A", handler: "none" }] } },
      400,
      "UNKNOWN_HANDLER",
      "dag.nodes[0].handler",
    ],
    [
      "a cycle",
      "CreateWorkflow",
      { name: "x", dag: { nodes: [node("A", ["B"]), node("B", ["A"])] } },
      400,
      "DAG_CYCLE",
      "dag.nodes[1].dependencies[0]",
    ],
    [
      "an unknown dependency",
      "CreateWorkflow",
      { name: "x", dag: { nodes: [node("A", ["Z"])] } },
      400,
      "UNKNOWN_DEPENDENCY",
      "dag.nodes[0].dependencies[0]",
    ],
    [
      "a duplicate id",
      "CreateWorkflow",
      { name: "x", dag: { nodes: [node("A"), node("A")] } },
      400,
      "DUPLICATE_NODE",
      "dag.nodes[1].id",
    ],
    [
      "a template of nothing",
      "CreateWorkflow",
      { name: "x", dag: { nodes: [node("A", [], { config: config({ x: "{{ B.y }}" }) })] } },
      400,
      "TEMPLATE_INVALID",
      "dag.nodes[0].config.x",
    ],
    [
      "a misspelt field",
      "CreateWorkflow",
      { name: "x", dag: { nodes: [{ id: "A", handler: "noop", dependecies: [] }] } },
      400,
      "FIELD_INVALID",
    ],
    ["what is no JSON", "CreateWorkflow", "{", 400, "FIELD_INVALID"],
    [
      "an oversized message",
      "SubmitTask",
      { program: { fileName: "a.py", content: "A".repeat(12 * 1024 * 1024) } },
      429,
      "TOO_LARGE",
    ],
    ["an unknown run", "GetRun", { runId: "x" }, 404, "RUN_NOT_FOUND"],
    ["an unknown task", "GetTask", { taskId: "00000000-0000-0000-0000-000000000000" }, 404, "TASK_NOT_FOUND"],
    ["a foreign page token", "ListRuns", { pageToken: "nonsense" }, 400, "PAGE_TOKEN_INVALID", "page_token"],
  ])(
    "refuses %s with its reason and path, and stores nothing",
    async (_what, method, body, status, reason, path) => {
      const before = (await scheduler("ListRuns", { pageSize: 1 })).body;
      const refused = await scheduler(method, body);
      expect(refused.status).toBe(status);
      expect(refused.body.details[0].debug).toMatchObject({ reason, domain: "antiphon" });
      if (path !== undefined) expect(refused.body.details[1].debug.fieldViolations[0].field).toBe(path);
      expect((await scheduler("ListRuns", { pageSize: 1 })).body).toEqual(before);
    },
  );

  test("refuses a token for another audience", async () => {
    const { status, body } = await scheduler("ListRuns", {}, await tokenFor("clients-api"));
    expect(status).toBe(403);
    expect(body.details[0].debug).toMatchObject({
      reason: "WRONG_AUDIENCE",
      metadata: { required: expect.stringContaining("tasks-api") },
    });
  });

  test("does not route what services say among themselves", async () => {
    const { status, body } = await call("antiphon.internal.v1.TaskStateService/GetTaskStates", {
      taskIds: [],
    });
    expect(status).toBe(404);
    expect(body.details[0].debug.reason).toBe("ROUTE_NOT_FOUND");
  });

  test("hands the files that a program left out as a zip", async () => {
    const source =
      'import os, pathlib\np = pathlib.Path(os.environ["ANTIPHON_OUTPUT_DIR"])\n(p / "a.txt").write_text("left")\n';
    const { body } = await scheduler("SubmitTask", {
      program: { fileName: "files.py", content: Buffer.from(source).toString("base64") },
    });
    const { taskId } = body.task;
    await until(
      "it completed",
      async () => (await scheduler("GetTask", { taskId })).body.task.state === "TASK_STATE_COMPLETED",
      30_000,
    );
    const { task } = (await scheduler("GetTask", { taskId })).body;
    expect(task.artifacts).toEqual([{ path: "a.txt", size: "4" }]);
    const transport = createConnectTransport({
      baseUrl: antiphon.url,
      interceptors: [
        (next) => async (request) => {
          request.header.set("authorization", `Bearer ${token}`);
          return await next(request);
        },
      ],
    });
    const chunks: Uint8Array[] = [];
    for await (const { chunk } of createClient(SchedulerService, transport).downloadResults({ taskId }))
      chunks.push(chunk);
    const zip = Buffer.concat(chunks);
    expect(zip.subarray(0, 2).toString()).toBe("PK");
    expect(zip.includes("a.txt")).toBe(true);
  });
});
