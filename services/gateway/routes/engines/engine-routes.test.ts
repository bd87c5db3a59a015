import { create, toJson } from "@bufbuild/protobuf";
import { createRouterTransport } from "@connectrpc/connect";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Run, RunSchema, RunState } from "../../../../gen/antiphon/scheduler/v1/run_pb.ts";
import {
  type CreateWorkflowRequest,
  type ListRunsRequest,
  type ResumeRunRequest,
  SchedulerService,
  type StartRunRequest,
} from "../../../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { TaskState } from "../../../../gen/antiphon/scheduler/v1/task_pb.ts";
import { DagSchema, type Node } from "../../../../gen/antiphon/scheduler/v1/workflow_pb.ts";
import { DomainError } from "../../../../lib/errors/domain-error.ts";
import { logger } from "../../../../lib/log/log.ts";
import { serve } from "../../../../lib/rpc/serve.ts";
import { toConnectError } from "../../../../lib/rpc/to-connect-error.ts";
import { aCaller } from "../../../../test/support/a-caller.ts";
import { describedAnswers } from "../../../../test/support/described-answers.ts";
import { httpApp } from "../../http/http-app.ts";
import { engineRoutes } from "./engine-routes.ts";

const runId = "0190a0b0-0000-8000-8000-000000000001";
const workflowId = "0190a0b0-0000-8000-8000-000000000002";
const line = { runId, workflowId, name: "line" };
const log = logger("gateway", "silent");
const opened = new AsyncDisposableStack();
const { routes, check } = describedAnswers(engineRoutes({ apiPrefix: "/api" }));

let url: string;
let run: Run;
let started: StartRunRequest[] = [];
let resumed: ResumeRunRequest[] = [];
let created: CreateWorkflowRequest[] = [];
let listed: ListRunsRequest[] = [];
let borne: (string | null)[] = [];

beforeAll(async () => {
  const transport = createRouterTransport((router) => {
    router.service(SchedulerService, {
      startRun(request, { requestHeader }) {
        borne.push(requestHeader.get("authorization"));
        if (request.workflowId !== "" && request.workflowId !== workflowId)
          throw notFound("WORKFLOW_NOT_FOUND");
        started.push(request);
        refuseCircle(request.workflow?.dag?.nodes, "workflow.");
        return { run: { runId, state: request.hold ? RunState.PENDING : RunState.RUNNING } };
      },
      getRun({ runId: asked }) {
        if (asked !== runId) throw notFound("RUN_NOT_FOUND");
        return { run };
      },
      resumeRun(request) {
        resumed.push(request);
        return { run };
      },
      getRunResults({ runId: asked }) {
        if (asked !== runId) throw notFound("RUN_NOT_FOUND");
        return { state: RunState.COMPLETED, results: { A: encoded({ data: [1] }), B: encoded(null) } };
      },
      listRuns(request) {
        listed.push(request);
        return { runs: [run, { runId, workflowId: "", name: "hello.py" }], nextPageToken: "more" };
      },
      createWorkflow(request) {
        created.push(request);
        refuseCircle(request.dag?.nodes, "");
        return { workflow: { workflowId, name: request.name } };
      },
      getWorkflow({ workflowId: asked }) {
        if (asked !== workflowId) throw notFound("WORKFLOW_NOT_FOUND");
        return {
          workflow: {
            workflowId,
            name: "line",
            version: "abc",
            createdAt: { seconds: 1_700_000_000n, nanos: 500_000_000 },
            dag: { nodes: [{ id: "A", handler: "noop", config: encoded({ x: 1 }) }] },
          },
        };
      },
      listWorkflows: ({ name, pageToken }) => ({
        workflows: [{ workflowId, name: `${name}${pageToken}`, version: "abc" }],
        nextPageToken: "",
      }),
    });
  });
  const verify = async (token: string) =>
    token === "clients" ? aCaller({ audience: "clients-api" }) : aCaller({ clientId: token });
  const app = httpApp({
    routes,
    transports: { auth: transport, scheduler: transport, taskio: transport },
    verify,
    tokenFor: () => undefined,
    localCaller: {
      token: async () => "local",
      throughProxies: false,
      isOurName: () => false,
      isOurOrigin: () => false,
    },
    log,
  });
  const server = await serve({ host: "127.0.0.1", port: 0, services: [], fallback: app, verify, log });
  opened.use(server);
  url = server.url;
});

beforeEach(() => {
  run = create(RunSchema, { ...line, state: RunState.PENDING });
  started = [];
  resumed = [];
  created = [];
  listed = [];
  borne = [];
});

afterAll(async () => {
  await opened.disposeAsync();
  check();
});

describe("executions", () => {
  test("are stored as held runs of what was sent, with the node policies of the contract", async () => {
    const answer = await post("/workflow", {
      name: "line",
      dag: {
        nodes: [
          node("A", { config: { url: "http://service-a" }, retry: { max_attempts: 2, initial_delay: "1s" } }),
          node("B", { dependencies: ["A"], config: null, timeout: 90, when: "A.x > 1", for_each: [1, 2] }),
        ],
      },
      input: { x: 1 },
      labels: { team: "blue" },
    });
    expect(answer).toEqual([200, { execution_id: runId, message: "Workflow accepted" }]);
    const [request] = started;
    expect(request).toMatchObject({ hold: true, labels: { team: "blue" }, input: encoded({ x: 1 }) });
    expect(
      toJson(DagSchema, request?.workflow?.dag ?? create(DagSchema), { useProtoFieldName: true }),
    ).toEqual({
      nodes: [
        {
          id: "A",
          handler: "call_external_service",
          config: base64({ url: "http://service-a" }),
          retry: { max_attempts: 2, initial_delay: "1s" },
        },
        {
          id: "B",
          handler: "call_external_service",
          dependencies: ["A"],
          config: base64({}),
          timeout: "90s",
          when: "A.x > 1",
          for_each: { items: base64([1, 2]) },
        },
      ],
    });
  });

  test("take the retries and time limits of the other engine, and leave out what nobody knows", async () => {
    await post("/workflow", {
      name: "line",
      description: "not ours",
      dag: {
        nodes: [node("A", { retry_policy: { max_attempts: 5 }, timeout_seconds: 1.5, position: { x: 1 } })],
        edges: [],
      },
    });
    expect(started[0]?.workflow?.dag?.nodes[0]).toMatchObject({
      retry: {
        maxAttempts: 5,
        initialDelay: { seconds: 1n },
        multiplier: 2,
        maxDelay: { seconds: 10n },
        jitter: 0,
      },
      timeout: { seconds: 1n, nanos: 500_000_000 },
    });
  });

  test("let a noop that is given nothing say that it was there", async () => {
    await post("/workflow", {
      name: "race",
      dag: {
        nodes: [
          { id: "B", handler: "noop", dependencies: [], config: {} },
          { id: "C", handler: "noop", dependencies: [], config: { side: "right" } },
        ],
      },
    });
    expect(started[0]?.workflow?.dag?.nodes.map(({ config }) => config)).toEqual([
      encoded({ status: "ok" }),
      encoded({ side: "right" }),
    ]);
  });

  test("are made once for an Idempotency-Key", async () => {
    await post("/workflow", { name: "line", dag: { nodes: [node("A")] } }, { "idempotency-key": "k1" });
    expect(started[0]?.requestId).toBe("k1");
    const long = { "idempotency-key": "k".repeat(101) };
    expect(await post("/workflow", { name: "line", dag: { nodes: [node("A")] } }, long)).toMatchObject([
      400,
      { reason: "FIELD_INVALID" },
    ]);
  });

  test.each([
    [{ dag: { nodes: [] } }, ["body", "name"]],
    [{ name: "line", dag: { nodes: {} } }, ["body", "dag", "nodes"]],
    [{ name: "line", dag: { nodes: [{ id: "A" }] } }, ["body", "dag", "nodes", 0, "handler"]],
    [{ name: "line", dag: { nodes: [node("A", { config: [] })] } }, ["body", "dag", "nodes", 0, "config"]],
    [
      { name: "line", dag: { nodes: [node("A", { retry: { attempts: "x" } })] } },
      ["body", "dag", "nodes", 0, "retry", "attempts"],
    ],
    [
      { name: "line", dag: { nodes: [node("A", { dependancies: ["B"] })] } },
      ["body", "dag", "nodes", 0, "dependancies"],
    ],
    [
      { name: "line", dag: { nodes: [node("A", { on_failure: "explode" })] } },
      ["body", "dag", "nodes", 0, "on_failure"],
    ],
  ])("are refused with the place of what is not of the form: %j", async (body, loc) => {
    const [status, answer] = await post("/workflow", body);
    expect([status, answer]).toMatchObject([422, { detail: [{ loc }], reason: "FIELD_INVALID" }]);
    expect(started).toEqual([]);
  });

  test("are refused with every fault of the graph, by its place in what was sent", async () => {
    const circle = [node("A", { dependencies: ["B"] }), node("B", { dependencies: ["A"] })];
    expect(await post("/workflow", { name: "circle", dag: { nodes: circle } })).toEqual([
      400,
      {
        detail:
          "the workflow didn't pass validation: dag.nodes[0].dependencies[0]: a circle (DAG_CYCLE); dag.nodes[1].handler: unknown (UNKNOWN_HANDLER)",
        reason: "DAG_CYCLE",
      },
    ]);
  });

  test("are started by the first trigger alone", async () => {
    const triggered = [200, { message: "Workflow triggered", execution_id: runId }];
    expect(await post(`/workflow/trigger/${runId}`)).toEqual(triggered);
    expect(resumed).toMatchObject([{ runId, requestId: `trigger-${runId}` }]);
    run = create(RunSchema, { ...line, state: RunState.PAUSED });
    expect(await post(`/workflow/trigger/${runId}`)).toEqual(triggered);
    expect(resumed).toHaveLength(1);
  });

  test.each([
    [RunState.PENDING, "PENDING"],
    [RunState.RUNNING, "RUNNING"],
    [RunState.PAUSED, "RUNNING"],
    [RunState.COMPLETED, "COMPLETED"],
    [RunState.FAILED, "FAILED"],
    [RunState.CANCELLED, "FAILED"],
  ])("in state %s are told as %s", async (state, status) => {
    run = create(RunSchema, { ...line, state });
    expect(await get(`/workflows/${runId}`)).toEqual([200, { execution_id: runId, status }]);
  });

  test("answer what their nodes gave", async () => {
    const results = { A: { data: [1] }, B: null };
    expect(await get(`/workflows/${runId}/results/`)).toEqual([200, { execution_id: runId, results }]);
  });

  test("are not found by another id", async () => {
    const answers = await Promise.all([
      post("/workflow/trigger/nope"),
      get("/workflows/nope"),
      get("/workflows/nope/results"),
    ]);
    const refusal = [404, { detail: "Execution ID not found", reason: "RUN_NOT_FOUND" }];
    expect(answers).toEqual([refusal, refusal, refusal]);
  });
});

describe("definitions", () => {
  const sent = { name: "line", dag: { nodes: [node("A")] }, input_schema: { type: "object" } };

  test("are stored, with the schema of their input", async () => {
    const stored = await post("/api/workflow", sent, { "idempotency-key": "k2" });
    expect(stored).toEqual([200, { execution_id: workflowId }]);
    expect(created).toMatchObject([
      {
        name: "line",
        requestId: "k2",
        inputSchema: encoded({ type: "object" }),
        dag: { nodes: [{ id: "A" }] },
      },
    ]);
  });

  test("are refused with every fault", async () => {
    const nodes = [node("A", { dependencies: ["B"] }), node("B", { dependencies: ["A"] })];
    const [status, refusal] = await post("/api/workflow", { name: "circle", dag: { nodes } });
    expect([status, refusal]).toMatchObject([
      400,
      { detail: expect.stringContaining("dag.nodes[1].handler") },
    ]);
  });

  test("are started with or without a body", async () => {
    const trigger = `/api/workflow/trigger/${workflowId}`;
    expect(await post(trigger)).toEqual([200, { instance_id: runId }]);
    expect(await post(trigger, { input: { x: 1 }, priority: 5 })).toEqual([200, { instance_id: runId }]);
    expect(started).toMatchObject([
      { workflowId, hold: false, priority: 0 },
      { workflowId, hold: false, priority: 5, input: encoded({ x: 1 }) },
    ]);
    expect(await post("/api/workflow/trigger/nope")).toEqual([
      404,
      { detail: "Workflow definition not found", reason: "WORKFLOW_NOT_FOUND" },
    ]);
  });

  test("are listed, and shown as they were sent", async () => {
    expect(await get("/api/workflow?name=line&page_token=-2")).toEqual([
      200,
      {
        items: [{ execution_id: workflowId, name: "line-2", version: "abc", created_at: null }],
        next_page_token: "",
      },
    ]);
    expect(await get(`/api/workflow/${workflowId}`)).toEqual([
      200,
      {
        execution_id: workflowId,
        name: "line",
        version: "abc",
        created_at: 1_700_000_000.5,
        dag: { nodes: [{ id: "A", handler: "noop", dependencies: [], config: { x: 1 } }] },
      },
    ]);
    expect(await get("/api/workflow/nope")).toMatchObject([404, { reason: "WORKFLOW_NOT_FOUND" }]);
  });
});

describe("instances", () => {
  const instance = {
    instance_id: runId,
    workflow_id: runId,
    execution_id: workflowId,
    name: "line",
    status: "RUNNING",
    state: "RUNNING",
    created_at: 5,
    completed_at: null,
  };

  beforeEach(() => {
    run = create(RunSchema, { ...line, state: RunState.RUNNING, createdAt: { seconds: 5n } });
  });

  test("are told by both names of their status", async () => {
    expect(await get(`/api/workflows/${runId}`)).toEqual([200, instance]);
    expect(await get("/api/workflows/nope")).toMatchObject([
      404,
      { detail: "Running workflow instance not found" },
    ]);
  });

  test("are listed by status, without submitted programs", async () => {
    const page = [200, { items: [instance], next_page_token: "more" }];
    expect(await get(`/api/workflows?status=FAILED&execution_id=${workflowId}&page_size=2`)).toEqual(page);
    expect(listed).toMatchObject([
      { pageSize: 2, workflowId, states: [RunState.FAILED, RunState.CANCELLED] },
    ]);
    expect(await get("/api/workflows?status=DONE&page_size=0")).toMatchObject([
      422,
      { detail: [{ loc: ["query", "page_size"] }, { loc: ["query", "status"] }] },
    ]);
  });

  test("have no results before they have ended", async () => {
    expect(await get(`/api/workflows/${runId}/results`)).toEqual([
      400,
      { detail: "Workflow not finished", reason: "NOT_ENDED" },
    ]);
  });

  test("answer what became of each node once they have ended", async () => {
    run = create(RunSchema, {
      ...line,
      state: RunState.FAILED,
      endedAt: { seconds: 9n },
      tasks: [
        { taskId: `${runId}.A`, nodeId: "A", state: TaskState.COMPLETED, attempt: 1 },
        { taskId: `${runId}.A.0`, nodeId: "A", state: TaskState.COMPLETED, attempt: 1 },
        {
          taskId: `${runId}.C`,
          nodeId: "C",
          state: TaskState.FAILED,
          attempt: 3,
          failure: { reason: "HTTP_STATUS", message: "answered 500" },
        },
        { taskId: `${runId}.D`, nodeId: "D", state: TaskState.SKIPPED, attempt: 0 },
      ],
    });
    expect(await get(`/api/workflows/${runId}/results`)).toEqual([
      200,
      {
        instance_id: runId,
        workflow_id: runId,
        status: "FAILED",
        completed_at: 9,
        results: {
          A: { status: "COMPLETED", attempt: 1, result: { data: [1] } },
          C: { status: "FAILED", attempt: 3, error: "HTTP_STATUS: answered 500" },
          D: { status: "SKIPPED", attempt: 0 },
        },
      },
    ]);
  });
});

describe("callers", () => {
  const body = { name: "line", dag: { nodes: [node("A")] } };

  test("without a token are the local client, others themselves", async () => {
    await post("/workflow", body);
    await post("/workflow", body, { authorization: "Bearer alice" });
    expect(borne).toEqual(["Bearer local", "Bearer alice"]);
  });

  test("with a token of another kind are refused", async () => {
    expect(await post("/workflow", body, { authorization: "Bearer clients" })).toMatchObject([
      401,
      { reason: "WRONG_AUDIENCE" },
    ]);
  });

  test("without a token are refused when a page of another site may have sent it, whatever it is", async () => {
    const pages = [
      { origin: "https://evil.example" },
      { "sec-fetch-site": "cross-site" },
      { "x-forwarded-for": "192.0.2.7" },
    ];
    for (const page of pages) {
      const answers = await Promise.all([
        post("/workflow", body, page),
        post(`/workflow/trigger/${runId}`, undefined, page),
        fetch(`${url}/api/workflows`, { headers: page }).then(({ status }) => [status]),
      ]);
      expect(answers.map(([status]) => status)).toEqual([401, 401, 401]);
    }
    expect([started, resumed, listed]).toEqual([[], [], []]);
  });

  test("that send a definition as a form or as plain text, which any page may, are refused", async () => {
    for (const contentType of ["text/plain", "application/x-www-form-urlencoded"]) {
      const answer = await fetch(`${url}/workflow`, {
        method: "POST",
        headers: { "content-type": contentType },
        body: JSON.stringify(body),
      });
      expect(answer.status).toBe(415);
    }
    expect(started).toEqual([]);
  });
});

async function post(
  path: string,
  body?: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<readonly [number, unknown]> {
  const json = body === undefined ? {} : { "content-type": "application/json" };
  const answer = await fetch(url + path, {
    method: "POST",
    headers: { ...json, ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return [answer.status, await answer.json()];
}

async function get(path: string): Promise<readonly [number, unknown]> {
  const answer = await fetch(url + path);
  return [answer.status, await answer.json()];
}

function node(id: string, more: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return { id, handler: "call_external_service", dependencies: [], ...more };
}

function refuseCircle(nodes: readonly Node[] | undefined, root: string): void {
  if (nodes?.[0]?.dependencies.length !== 1) return;
  throw toConnectError(
    DomainError.ofFaults([
      { path: `${root}dag.nodes[0].dependencies[0]`, reason: "DAG_CYCLE", message: "a circle" },
      { path: `${root}dag.nodes[1].handler`, reason: "UNKNOWN_HANDLER", message: "unknown" },
    ]),
  );
}

function notFound(reason: "RUN_NOT_FOUND" | "WORKFLOW_NOT_FOUND") {
  return toConnectError(new DomainError(reason, "there is none"));
}

function encoded(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

function base64(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64");
}
