import { once } from "node:events";
import { connect as connectHttp2 } from "node:http2";
import { createServer } from "node:net";
import { Code, createClient } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { TaskIOService } from "../../../gen/antiphon/taskio/v1/taskio_service_pb.ts";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../../../gen/health/v1/health_pb.ts";
import { networkTransport } from "../../../lib/rpc/client.ts";
import { fromConnectError } from "../../../lib/rpc/from-connect-error.ts";
import { until } from "../../support/until.ts";
import { getTranscript, rawConnection, serveTestService, token } from "./test-service.ts";

/** Long enough that a test that has to wait for it fails. */
const longGraceMs = 600_000;

test("ends at once although clients are connected, if they are idle", async () => {
  const server = await serveTestService({ shutdownGraceMs: longGraceMs });
  const http2 = connectHttp2(server.url);
  await once(http2, "connect");
  const keptAlive = await getTranscript(server.url, "{}");
  await keptAlive.text();
  using silent = await rawConnection(server.port);
  await Promise.all([
    server[Symbol.asyncDispose](),
    once(http2, "close"),
    silent.socket.destroyed ? undefined : once(silent.socket, "close"),
  ]);
  expect([http2.closed, silent.socket.destroyed]).toEqual([true, true]);
});

test.each(["HTTP/1.1", "HTTP/2"])("lets a call over %s end that ends in time", async (version) => {
  const server = await serveTestService({ shutdownGraceMs: longGraceMs });
  using transport = networkTransport({ url: server.url, token: async () => token });
  const answer =
    version === "HTTP/2"
      ? createClient(TaskIOService, transport).getTranscript({ taskId: "brief" })
      : getTranscript(server.url, '{"taskId": "brief"}').then((answer) => answer.json());
  await until("the call is being answered", () => server.service.open === 1);
  await server[Symbol.asyncDispose]();
  await expect(answer).resolves.toMatchObject({ nextAfter: "alice brief" });
});

test("ends streams with UNAVAILABLE after the grace", async () => {
  const server = await serveTestService({ shutdownGraceMs: 100 });
  using transport = networkTransport({ url: server.url, token: async () => token });
  const watching = createClient(TaskIOService, transport).watch({ tasks: [{ taskId: "t1" }] });
  const news = watching[Symbol.asyncIterator]();
  await news.next();
  const end = news.next().catch((error: unknown) => error);
  await server[Symbol.asyncDispose]();
  expect(fromConnectError(await end)).toMatchObject({
    code: Code.Unavailable,
    reason: "SERVICE_UNAVAILABLE",
  });
  expect(server.service.open).toBe(0);
});

test("ends calls that are deaf, too", async () => {
  const server = await serveTestService();
  using transport = networkTransport({ url: server.url, token: async () => token });
  const client = createClient(TaskIOService, transport);
  const end = client.getTranscript({ taskId: "deaf" }).catch((error: unknown) => error);
  await client.getTranscript({});
  await server[Symbol.asyncDispose]();
  expect(fromConnectError(await end)).toMatchObject({ code: Code.Unavailable });
});

test("says NOT_SERVING while it lets calls end", async () => {
  const server = await serveTestService({ shutdownGraceMs: longGraceMs });
  using transport = networkTransport({ url: server.url, token: async () => token });
  const statuses = createClient(Health, transport).watch({ service: "" })[Symbol.asyncIterator]();
  expect((await statuses.next()).value).toMatchObject({ status: Status.SERVING });
  const stopping = server[Symbol.asyncDispose]();
  expect((await statuses.next()).value).toMatchObject({ status: Status.NOT_SERVING });
  transport[Symbol.dispose]();
  await expect(statuses.next()).rejects.toMatchObject({ code: Code.Canceled });
  await stopping;
});

test("frees the port", async () => {
  const server = await serveTestService();
  await server[Symbol.asyncDispose]();
  const next = createServer().listen(server.port, server.host);
  await expect(once(next, "listening")).resolves.toBeDefined();
  next.close();
});

test("does not start where another one listens", async () => {
  await using first = await serveTestService();
  await expect(serveTestService({ port: first.port })).rejects.toMatchObject({ code: "EADDRINUSE" });
});
