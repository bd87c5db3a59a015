import { connect as connectHttp2 } from "node:http2";
import { Code, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import { status } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TaskIOService } from "../../../gen/antiphon/taskio/v1/taskio_service_pb.ts";
import { bearing, networkTransport } from "../../../lib/rpc/client.ts";
import { fromConnectError } from "../../../lib/rpc/from-connect-error.ts";
import { until } from "../../support/until.ts";
import { call, errorInfo, type GrpcTaskIO, grpcTaskIO, withToken } from "./grpc-client.ts";
import { bearer, getTranscript, serveTestService, token, unspeakable } from "./test-service.ts";

let server: Awaited<ReturnType<typeof serveTestService>>;

beforeAll(async () => {
  server = await serveTestService();
});
afterAll(() => server[Symbol.asyncDispose]());

describe("gRPC", () => {
  let grpc: GrpcTaskIO;
  beforeAll(() => {
    grpc = grpcTaskIO(server.url);
  });
  afterAll(() => grpc[Symbol.dispose]());

  test("answers a unary call", async () => {
    await expect(call(grpc, "GetTranscript", { task_id: "t1" })).resolves.toMatchObject({
      next_after: "alice t1",
    });
  });

  test("answers a bidirectional stream while it is written", async () => {
    const stream = grpc.client.attach(withToken());
    const answers = stream[Symbol.asyncIterator]();
    for (const prompt_id of ["p1", "p2"]) {
      stream.write({ answer: { prompt_id } });
      expect((await answers.next()).value).toMatchObject({ accepted: { prompt_id } });
    }
    stream.end();
    expect(await answers.next()).toMatchObject({ done: true });
  });

  test("tells why a call is refused", async () => {
    const error = await call(grpc, "GetTranscript", { task_id: "missing" }).catch((error: unknown) => error);
    expect(error).toMatchObject({ code: status.NOT_FOUND, details: "there is no task missing" });
    expect(errorInfo(error)).toEqual({
      reason: "TASK_NOT_FOUND",
      domain: "antiphon",
      metadata: { task_id: "missing" },
    });
  });

  test("says nothing about a defect", async () => {
    const error = await call(grpc, "GetTranscript", { task_id: "broken" }).catch((error: unknown) => error);
    expect(error).toMatchObject({ code: status.INTERNAL, details: "internal error" });
    expect(JSON.stringify(error)).not.toContain(unspeakable);
  });

  test.each(["slow", "deaf"])("ends a %s call at its deadline", async (task_id) => {
    const late = call(grpc, "GetTranscript", { task_id }, { deadline: new Date(Date.now() + 100) });
    await expect(late).rejects.toMatchObject({ code: status.DEADLINE_EXCEEDED });
  });

  test("lets the handler know that the caller has gone", async () => {
    const stream = grpc.client.watch({ tasks: [{ task_id: "t1" }] }, withToken());
    const ended = new Promise((resolve) => stream.on("error", resolve));
    await until("the stream is open", () => server.service.open === 1);
    stream.cancel();
    await until("the handler has ended", () => server.service.open === 0);
    expect(await ended).toMatchObject({ code: status.CANCELLED });
  });
});

describe.each([
  [
    "Connect over HTTP/1.1",
    () => createConnectTransport({ baseUrl: server.url, interceptors: [bearing(async () => token)] }),
  ],
  [
    "gRPC-web over HTTP/1.1",
    () => createGrpcWebTransport({ baseUrl: server.url, interceptors: [bearing(async () => token)] }),
  ],
  ["gRPC over HTTP/2", () => networkTransport({ url: server.url, token: async () => token })],
])("%s", (_name, transport) => {
  const client = () => createClient(TaskIOService, transport());

  test("answers a unary call", async () => {
    await expect(client().getTranscript({ taskId: "t1" })).resolves.toMatchObject({ nextAfter: "alice t1" });
  });

  test("streams, and lets the handler know that the caller has gone", async () => {
    const leaving = new AbortController();
    const watching = client().watch({ tasks: [{ taskId: "t1" }] }, { signal: leaving.signal });
    const news = watching[Symbol.asyncIterator]();
    expect((await news.next()).value?.news?.news.case).toBe("heartbeat");
    expect(server.service.open).toBe(1);
    leaving.abort();
    await expect(news.next()).rejects.toMatchObject({ code: Code.Canceled });
    await until("the handler has ended", () => server.service.open === 0);
  });

  test("tells why a call is refused", async () => {
    const error = await client()
      .getTranscript({ taskId: "missing" })
      .catch((error: unknown) => error);
    expect(fromConnectError(error)).toMatchObject({
      reason: "TASK_NOT_FOUND",
      message: "there is no task missing",
      metadata: { task_id: "missing" },
    });
  });
});

describe("plain HTTP", () => {
  test("answers JSON to JSON", async () => {
    const answer = await getTranscript(server.url, '{"taskId": "t1"}');
    expect([answer.status, await answer.json()]).toEqual([200, { nextAfter: "alice t1" }]);
  });

  test("takes a GET for a call that changes nothing", async () => {
    const query = new URLSearchParams({ connect: "v1", encoding: "json", message: '{"taskId":"t1"}' });
    const answer = await fetch(
      `${server.url}/antiphon.taskio.v1.TaskIOService/GetTranscript?${query.toString()}`,
      {
        headers: bearer,
      },
    );
    expect([answer.status, await answer.json()]).toEqual([200, { nextAfter: "alice t1" }]);
  });

  test("takes no GET for a call that changes something", async () => {
    const query = new URLSearchParams({ connect: "v1", encoding: "json", message: "{}" });
    const answer = await fetch(
      `${server.url}/antiphon.taskio.v1.TaskIOService/SendInput?${query.toString()}`,
    );
    expect([answer.status, await answer.json()]).toMatchObject([405, { code: "invalid_argument" }]);
  });

  test("answers JSON over HTTP/2 too", async () => {
    const session = connectHttp2(server.url);
    const path = "/antiphon.taskio.v1.TaskIOService/GetTranscript";
    const request = session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/json",
      ...bearer,
    });
    request.end('{"taskId": "t1"}');
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    session.close();
    expect(JSON.parse(Buffer.concat(chunks).toString())).toEqual({ nextAfter: "alice t1" });
  });
});
