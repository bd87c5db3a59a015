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
      bodyGraceMs: 200,
      bodyBytesPerSecond: 1_000_000,
      maxConnections: 50,
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

/** Waits until a connection has been closed or reset from the other side. */
async function expectClosed(connection: EventEmitter): Promise<void> {
  await expect(new Promise((resolve) => connection.once("close", () => resolve("closed")))).resolves.toBe(
    "closed",
  );
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

// The rest of a large body that a refusal left unread kept the next request from being read, for ever.
test("a connection whose call was refused in the middle of its body is not kept for another", async () => {
  using peer = await rawConnection(server.port);
  const frame = Buffer.alloc(200_000);
  frame.writeUInt32BE(2 ** 31, 1);
  const lines = [
    "Host: localhost",
    `Authorization: ${bearer.authorization}`,
    `Content-Length: ${frame.length}`,
  ];
  const head = [`POST ${path} HTTP/1.1`, ...lines, "Content-Type: application/grpc-web+proto", "", ""].join(
    "\r\n",
  );
  peer.socket.write(Buffer.concat([Buffer.from(head), frame]));
  await expectClosed(peer.socket);
  expect(peer.received()).toMatch(/connection: close/i);
  expect(peer.received()).toContain("grpc-message");
});

test("a message that can not be read is the caller's fault, also when its deadline has passed by then", async () => {
  const headers = { ...bearer, "content-type": "application/proto", "connect-timeout-ms": "0" };
  const body = new Uint8Array([0x0f, 0xff]);
  for (let call = 0; call < 10; call += 1) {
    const answer = await fetch(`${server.url}${path}`, { method: "POST", headers, body });
    expect([400, 504]).toContain(answer.status);
  }
});

test("headers without bound are answered with 431", async () => {
  using peer = await rawConnection(server.port);
  peer.socket.write(`GET / HTTP/1.1\r\nHost: x\r\nX-Long: ${"x".repeat(17 * 1024)}\r\n\r\n`);
  await expectClosed(peer.socket);
  expect(peer.received()).toMatch(/^HTTP\/1\.1 431 /);
});

describe("a body that comes a byte at a time is not waited for", () => {
  const trickle = (write: () => void) => setInterval(write, 20);

  test.each([
    ["of a call", path, bearer],
    ["of a call whose caller is not known", path, {}],
    ["of what is no call", "/nothing", {}],
  ])("%s over HTTP/1.1", async (_what, to, headers) => {
    using peer = await rawConnection(server.port);
    const lines = Object.entries({
      "content-type": "application/json",
      "content-length": "100000",
      ...headers,
    });
    const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join("");
    peer.socket.write(`POST ${to} HTTP/1.1\r\nHost: localhost\r\n${head}\r\n{`);
    const timer = trickle(() => peer.socket.write(" "));
    await expectClosed(peer.socket);
    clearInterval(timer);
  });

  test("of a call over HTTP/2", async () => {
    const grpc = await session();
    const headers = { ":method": "POST", ":path": path, "content-length": "100000" };
    const call = grpc.request({ ...headers, "content-type": "application/json", ...bearer });
    call.on("error", () => undefined).resume();
    const timer = trickle(() => call.writable && call.write(" "));
    // With a byte still to be written, Node's client never emits "close".
    await until("the call is ended", () => call.closed);
    clearInterval(timer);
    expect(grpc.destroyed).toBe(false);
    grpc.destroy();
  });
});

test("a stream of messages may be as slow as its sender likes", async () => {
  const grpc = await session();
  const attach = grpc.request({
    ":method": "POST",
    ":path": "/antiphon.taskio.v1.TaskIOService/Attach",
    "content-type": "application/grpc",
    ...bearer,
  });
  let pings = 0;
  grpc.on("ping", () => {
    pings += 1;
  });
  attach.write(Buffer.alloc(5));
  await until("longer than a body may take has passed", () => pings >= 6);
  expect(attach.closed).toBe(false);
  const ended = once(attach, "close");
  attach.resume().end();
  await ended;
  expect(attach.rstCode).toBe(constants.NGHTTP2_NO_ERROR);
  grpc.destroy();
});

test("a peer that asks and asks without waiting for answers is cut off, at no great cost", async () => {
  using peer = await rawConnection(server.port);
  const before = process.memoryUsage().rss;
  const request = `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: ${bearer.authorization}\r\nContent-Length: 17\r\n\r\n{"taskId":"slow"}`;
  peer.socket.write(request.repeat(100_000));
  await expectClosed(peer.socket);
  await until("its calls have ended", () => server.service.open === 0);
  expect(process.memoryUsage().rss - before).toBeLessThan(200 * 1024 * 1024);
});

test("an address has no more connections than it may", async () => {
  using peers = new DisposableStack();
  const isServed = async () => {
    const { socket } = peers.use(await rawConnection(server.port));
    socket.write("GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n");
    return await new Promise<boolean>((resolve) => {
      socket.once("data", () => resolve(true));
      socket.once("close", () => resolve(false));
    });
  };
  const served = await Promise.all(Array.from({ length: 60 }, isServed));
  expect(served.filter((isServed) => isServed)).toHaveLength(50);
  peers.dispose();
  await until("there is room again", () => getTranscript(server.url, "{}").catch(() => undefined));
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
