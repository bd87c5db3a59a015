import { type EventEmitter, once } from "node:events";
import { type ClientHttp2Session, connect as connectHttp2, constants } from "node:http2";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { publicPeers } from "../../../lib/rpc/peer-limits.ts";
import { until } from "../../support/until.ts";
import { bearer, getTranscript, rawConnection, serveTestService } from "./test-service.ts";

let server: Awaited<ReturnType<typeof serveTestService>>;

beforeEach(async () => {
  server = await serveTestService({
    limits: {
      ...publicPeers,
      peekTimeoutMs: 200,
      headersTimeoutMs: 200,
      firstRequestMs: 100,
      idleMs: 300,
      pingEveryMs: 100,
      maxStreams: 20,
    },
  });
});

/** The server is as well after every test as before it. */
afterEach(async () => {
  const { ok } = await getTranscript(server.url, '{"taskId": "t1"}');
  await server[Symbol.asyncDispose]();
  if (!ok) throw new Error("the server does not answer any more");
});

/** Waits until a connection has been closed from the other side. */
async function expectClosed(connection: EventEmitter): Promise<void> {
  await expect(once(connection, "close")).resolves.toBeDefined();
}

const path = "/antiphon.taskio.v1.TaskIOService/GetTranscript";

async function session(url = server.url): Promise<ClientHttp2Session> {
  const session = connectHttp2(url);
  session.on("error", () => undefined);
  await once(session, "connect");
  return session;
}

/** Opens a stream that stays open. */
async function watched(session: ClientHttp2Session): Promise<void> {
  const watch = session.request({
    ":method": "POST",
    ":path": "/antiphon.taskio.v1.TaskIOService/Watch",
    "content-type": "application/grpc",
    ...bearer,
  });
  watch.on("error", () => undefined);
  watch.end(Buffer.alloc(5));
  await once(watch, "data");
}

describe("a connection ends", () => {
  test.each([
    ["says nothing", ""],
    ["stops within the HTTP/2 preface", "PRI * HT"],
    ["stops within its headers", "GET / HTTP/1.1\r\nHost: x\r\nX-Slow:"],
  ])("when its peer %s", async (_what, said) => {
    using peer = await rawConnection(server.port);
    peer.socket.write(said);
    await expectClosed(peer.socket);
  });

  test.each([
    ["garbage", "\0\x01\x02garbage\r\n\r\n"],
    ["a TLS greeting", "\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03"],
    ["garbage after the HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\ngarbage, and more of it"],
    ["headers without bound", `GET / HTTP/1.1\r\nHost: x\r\nX-Long: ${"x".repeat(20_000)}\r\n\r\n`],
  ])("when its peer sends %s", async (_what, said) => {
    using peer = await rawConnection(server.port);
    peer.socket.write(said, "latin1");
    await expectClosed(peer.socket);
  });

  test("when its peer resets it while its protocol is looked for", async () => {
    using peer = await rawConnection(server.port);
    peer.socket.write("G");
    peer.socket.resetAndDestroy();
    await expectClosed(peer.socket);
  });

  test("when an HTTP/2 peer never makes a request", async () => {
    await expectClosed(await session());
  });

  test("when an HTTP/2 peer does not answer pings, and its streams with it", async () => {
    const { promise: between, resolve } = Promise.withResolvers<{ near: Socket; far: Socket }>();
    const relay = createServer((near) => {
      const far = connect(server.port, server.host).on("error", () => undefined);
      near.on("error", () => undefined).pipe(far);
      far.pipe(near);
      near.once("close", () => far.destroy());
      resolve({ near, far });
    }).listen(0, "127.0.0.1");
    await once(relay, "listening");
    const grpc = await session(`http://127.0.0.1:${(relay.address() as AddressInfo).port}`);
    await watched(grpc);
    // A peer that is gone without a word: its connection stays, and is silent.
    const { near, far } = await between;
    near.unpipe();
    await expectClosed(far);
    await until("the stream has ended", () => server.service.open === 0);
    grpc.destroy();
    relay.close();
  });
});

test("a stream that is silent is kept as long as its peer answers pings", async () => {
  const grpc = await session();
  await watched(grpc);
  let pings = 0;
  grpc.on("ping", () => {
    pings += 1;
  });
  await until("the server has pinged for longer than it lets peers be idle", () => pings >= 6);
  expect(server.service.open).toBe(1);
  grpc.destroy();
});

test.each([
  ["of HTTP/1.0 that names no host", "POST %s HTTP/1.0\r\nContent-Type: application/json\r\n\r\n"],
  [
    "whose host is none",
    "POST %s HTTP/1.1\r\nHost: a b[\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n",
  ],
])("a request %s is refused", async (_what, request) => {
  using peer = await rawConnection(server.port);
  peer.socket.write(request.replace("%s", path));
  await expectClosed(peer.socket);
  expect(peer.received()).toMatch(/^HTTP\/1.1 400/);
});

test("a peer may not open more streams than it is told", async () => {
  const grpc = connectHttp2(server.url);
  await expect(once(grpc, "remoteSettings")).resolves.toMatchObject([{ maxConcurrentStreams: 20 }]);
  grpc.destroy();
});

test("a peer that opens and resets streams without end is told to go", async () => {
  const grpc = await session();
  const gone = once(grpc, "goaway");
  const flood = async () => {
    while (!grpc.closed && !grpc.destroyed) {
      const request = grpc.request({ ":method": "POST", ":path": path });
      request.on("error", () => undefined);
      request.close(constants.NGHTTP2_CANCEL);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const [[errorCode]] = await Promise.all([gone, flood()]);
  expect(errorCode).not.toBe(constants.NGHTTP2_NO_ERROR);
});
