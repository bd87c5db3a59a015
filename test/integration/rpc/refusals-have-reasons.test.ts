import { gzipSync } from "node:zlib";
import { create, fromBinary, fromJson, toBinary } from "@bufbuild/protobuf";
import { base64Decode } from "@bufbuild/protobuf/wire";
import { Code, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import { status } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  CreateWorkflowRequestSchema,
  SchedulerService,
} from "../../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { TaskIOService } from "../../../gen/antiphon/taskio/v1/taskio_service_pb.ts";
import { BadRequestSchema, ErrorInfoSchema } from "../../../gen/google/rpc/error_details_pb.ts";
import { networkTransport } from "../../../lib/rpc/client.ts";
import { fromConnectError } from "../../../lib/rpc/from-connect-error.ts";
import { call, errorInfo, grpcTaskIO, withToken } from "./grpc-client.ts";
import { bearer, getTranscript, serveTestService, token } from "./test-service.ts";

const maxMessageBytes = 128 * 1024;

let server: Awaited<ReturnType<typeof serveTestService>>;

beforeAll(async () => {
  server = await serveTestService({ maxMessageBytes });
});
afterAll(() => server[Symbol.asyncDispose]());

interface ErrorJson {
  readonly code: string;
  readonly message: string;
  readonly details?: readonly { readonly type: string; readonly value: string }[];
}

/** Status, code, reason and faults of an error in Connect's JSON. */
async function readError(answer: Response) {
  const { code, message, details = [] } = (await answer.json()) as ErrorJson;
  const bytes = (type: string) => base64Decode(details.find((detail) => detail.type === type)?.value ?? "");
  return {
    status: answer.status,
    code,
    message,
    reason: fromBinary(ErrorInfoSchema, bytes("google.rpc.ErrorInfo")).reason,
    faults: fromBinary(BadRequestSchema, bytes("google.rpc.BadRequest")).fieldViolations.map(
      ({ field }) => field,
    ),
  };
}

function createWorkflow(
  body: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = {},
): Promise<Response> {
  return fetch(`${server.url}/antiphon.scheduler.v1.SchedulerService/CreateWorkflow`, {
    method: "POST",
    headers: { "content-type": "application/json", ...bearer, ...headers },
    body,
  });
}

describe("JSON", () => {
  test("is refused with the path of every misspelt field", async () => {
    const dag = {
      nodes: [
        { id: "A", handlr: "noop" },
        { id: "B", dependencies: ["A", 7] },
      ],
    };
    expect(
      await readError(await createWorkflow(JSON.stringify({ name: "w", dag, requestID: "r" }))),
    ).toMatchObject({
      status: 400,
      code: "invalid_argument",
      reason: "FIELD_INVALID",
      faults: ["dag.nodes[0].handlr", "dag.nodes[1].dependencies[1]", "requestID"],
    });
  });

  test.each([
    ["not well-formed", '{"name": '],
    ["empty", ""],
    ["no object", "[]"],
    ["not UTF-8", new Uint8Array([0x22, 0xff, 0x22])],
  ])("is refused when it is %s", async (_what, body) => {
    expect(await readError(await createWorkflow(body))).toMatchObject({
      status: 400,
      reason: "FIELD_INVALID",
    });
  });

  test("is refused by stream procedures in the same way", async () => {
    const misspelt = new TextEncoder().encode('{"tsks": []}');
    const envelope = new Uint8Array(5 + misspelt.length);
    new DataView(envelope.buffer).setUint32(1, misspelt.length);
    envelope.set(misspelt, 5);
    const answer = await fetch(`${server.url}/antiphon.taskio.v1.TaskIOService/Watch`, {
      method: "POST",
      headers: { "content-type": "application/connect+json", ...bearer },
      body: envelope,
    });
    const end = (await answer.text()).slice(5);
    expect(JSON.parse(end)).toMatchObject({
      error: { code: "invalid_argument", message: expect.stringMatching(/tsks/) },
    });
  });

  test("may name fields as the contract does or in camel case", async () => {
    const answers = await Promise.all([
      createWorkflow('{"request_id": "r"}'),
      createWorkflow('{"requestId": "r"}'),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
  });
});

describe("a message whose bytes are not of its type", () => {
  // A string that claims to be longer than what follows.
  const truncated = new Uint8Array([0x0a, 0x05, 0x61]);
  const envelope = new Uint8Array([0, 0, 0, 0, truncated.length, ...truncated]);

  test("is the caller's fault over Connect", async () => {
    expect(await readError(await createWorkflow(truncated, { "content-type": "application/proto" }))).toEqual(
      expect.objectContaining({ status: 400, code: "invalid_argument", reason: "FIELD_INVALID" }),
    );
  });

  test("is the caller's fault over gRPC-web", async () => {
    const answer = await createWorkflow(envelope, { "content-type": "application/grpc-web+proto" });
    expect(await answer.text()).toMatch(new RegExp(`grpc-status: ${Code.InvalidArgument}\\b`));
  });

  test("is the caller's fault in a stream", async () => {
    const answer = await fetch(`${server.url}/antiphon.taskio.v1.TaskIOService/Watch`, {
      method: "POST",
      headers: { "content-type": "application/connect+proto", ...bearer },
      body: envelope,
    });
    const end = (await answer.text()).slice(5);
    expect(JSON.parse(end)).toMatchObject({
      error: {
        code: "invalid_argument",
        details: [{ debug: { reason: "FIELD_INVALID" } }],
      },
    });
  });
});

describe("a message that is too large", () => {
  test("is a small one already from who needs no token", async () => {
    const answer = await fetch(`${server.url}/grpc.health.v1.Health/Check`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ service: "x".repeat(64 * 1024) }),
    });
    expect(await readError(answer)).toMatchObject({ reason: "TOO_LARGE" });
  });

  const name = "x".repeat(maxMessageBytes);

  test("is refused over HTTP/1.1", async () => {
    expect(await readError(await createWorkflow(JSON.stringify({ name })))).toMatchObject({
      status: 429,
      code: "resource_exhausted",
      reason: "TOO_LARGE",
    });
  });

  test("is refused although it is small while compressed", async () => {
    const body = new Uint8Array(gzipSync(JSON.stringify({ name })));
    expect(body.length).toBeLessThan(maxMessageBytes / 10);
    expect(await readError(await createWorkflow(body, { "content-encoding": "gzip" }))).toMatchObject({
      reason: "TOO_LARGE",
    });
  });

  test("is refused over gRPC, with the limit", async () => {
    using grpc = grpcTaskIO(server.url);
    const error = await call(grpc, "GetTranscript", { task_id: name }).catch((error: unknown) => error);
    expect(error).toMatchObject({ code: status.RESOURCE_EXHAUSTED });
    expect(errorInfo(error)).toMatchObject({
      reason: "TOO_LARGE",
      metadata: { limit: String(maxMessageBytes) },
    });
  });

  test("is refused in a stream", async () => {
    using transport = networkTransport({ url: server.url, token: async () => token });
    const requests = (async function* () {
      yield { request: { case: "open", value: { taskId: name } } } as const;
    })();
    const answers = createClient(TaskIOService, transport).attach(requests)[Symbol.asyncIterator]();
    const error = await answers.next().catch((error: unknown) => error);
    expect(fromConnectError(error)).toMatchObject({ code: Code.ResourceExhausted, reason: "TOO_LARGE" });
  });

  test("is accepted up to the limit", async () => {
    const message = fromJson(CreateWorkflowRequestSchema, { name: name.slice(100) });
    const body = new Uint8Array(toBinary(CreateWorkflowRequestSchema, message));
    const answer = await createWorkflow(body, { "content-type": "application/proto" });
    expect(answer.status).toBe(200);
  });
});

describe("a procedure that nobody serves", () => {
  const unknown = "/antiphon.taskio.v1.TaskIOService/Sing";

  test("is unimplemented over gRPC, never an HTTP 404", async () => {
    using grpc = grpcTaskIO(server.url);
    const error = await new Promise((resolve) => {
      grpc.client.makeUnaryRequest(
        unknown,
        () => Buffer.alloc(0),
        () => 0,
        {},
        withToken(),
        resolve,
      );
    });
    expect(error).toMatchObject({ code: status.UNIMPLEMENTED });
    expect(errorInfo(error)).toMatchObject({ reason: "ROUTE_NOT_FOUND" });
  });

  test.each([
    ["Connect", createConnectTransport],
    ["gRPC-web", createGrpcWebTransport],
  ])("is unimplemented over %s", async (_name, transportTo) => {
    const transport = transportTo({ baseUrl: server.url });
    const method = { ...TaskIOService.method.getTranscript, name: "Sing" };
    const input = create(method.input, {});
    const error = await transport
      .unary(method, undefined, undefined, undefined, input)
      .catch((error: unknown) => error);
    expect(fromConnectError(error)).toMatchObject({ code: Code.Unimplemented, reason: "ROUTE_NOT_FOUND" });
  });

  test("is one too when it is served but not implemented", async () => {
    using transport = networkTransport({ url: server.url, token: async () => token });
    const error = await createClient(SchedulerService, transport)
      .getRun({})
      .catch((error: unknown) => error);
    expect(fromConnectError(error)).toMatchObject({ code: Code.Unimplemented, reason: "ROUTE_NOT_FOUND" });
  });

  test("is not found by plain HTTP, like any other path", async () => {
    const answers = await Promise.all([
      fetch(`${server.url}${unknown}`, { method: "POST" }),
      fetch(`${server.url}/`),
    ]);
    expect(await Promise.all(answers.map(readError))).toMatchObject([
      { status: 404, code: "unimplemented", reason: "ROUTE_NOT_FOUND" },
      { status: 404, code: "not_found", reason: "ROUTE_NOT_FOUND" },
    ]);
  });
});

test("a content type that no protocol has is named as the fault", async () => {
  const answer = await getTranscript(server.url, "{}", { ...bearer, "content-type": "text/plain" });
  expect(await readError(answer)).toMatchObject({
    status: 415,
    message: expect.stringMatching(/application\/json/),
  });
});

describe("a token", () => {
  test.each([
    ["TOKEN_MISSING", 401, {}],
    ["TOKEN_INVALID", 401, { authorization: "Bearer stolen" }],
    ["TOKEN_INVALID", 401, { authorization: "Basic dXNlcjpwYXNz" }],
    ["WRONG_AUDIENCE", 403, { authorization: "Bearer workers-api~bob" }],
  ])("is refused with %s (%i)", async (reason, status, headers) => {
    const answer = await getTranscript(server.url, "{}", headers);
    expect(answer.headers.get("www-authenticate")).toEqual(
      status === 401 ? expect.stringMatching(/^Bearer/) : null,
    );
    expect(await readError(answer)).toMatchObject({ status, reason });
  });

  test("is looked at before anything of the body", async () => {
    const answer = await getTranscript(server.url, "no JSON at all", {});
    expect(await readError(answer)).toMatchObject({ reason: "TOKEN_MISSING" });
  });

  test("of a service is good only where the rule lists it", async () => {
    using grpc = grpcTaskIO(server.url);
    const metadata = withToken({ authorization: "Bearer internal~scheduler" });
    await expect(call(grpc, "SendInput", {}, { metadata })).resolves.toBeDefined();
    const answer = await createWorkflow("{}", { authorization: "Bearer internal~scheduler" });
    expect(await readError(answer)).toMatchObject({ reason: "WRONG_AUDIENCE" });
  });

  test("of a client is not good for what services keep to themselves", async () => {
    using grpc = grpcTaskIO(server.url);
    const error = await call(grpc, "SendInput", {}).catch((error: unknown) => error);
    expect(error).toMatchObject({ code: status.PERMISSION_DENIED });
  });
});
