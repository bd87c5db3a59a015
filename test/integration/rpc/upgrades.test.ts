import { once } from "node:events";
import { afterEach, beforeEach, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import type { UpgradeHandler } from "../../../lib/rpc/serve.ts";
import { bearer, getTranscript, rawConnection, serveTestService } from "./test-service.ts";

let opened: AsyncDisposableStack;

beforeEach(() => {
  opened = new AsyncDisposableStack();
});
afterEach(() => opened.disposeAsync());

/** Repeats what it hears, and says goodbye when the server stops. */
const echo: UpgradeHandler = (request, socket, head, closing) => {
  const server = new WebSocketServer({ noServer: true });
  server.handleUpgrade(request, socket, head, (peer) => {
    peer.on("message", (heard) => peer.send(heard));
    closing.addEventListener("abort", () => peer.close(1001));
  });
};

async function connected(port: number): Promise<WebSocket> {
  const peer = new WebSocket(`ws://127.0.0.1:${port}/ws/t1`);
  opened.defer(() => peer.terminate());
  await once(peer, "open");
  return peer;
}

/** An ordinary call that would rather be another protocol. */
async function asking(port: number, protocol: string): Promise<string> {
  using peer = await rawConnection(port);
  const body = '{"taskId": "t1"}';
  peer.socket.write(
    [
      "POST /antiphon.taskio.v1.TaskIOService/GetTranscript HTTP/1.1",
      `Host: 127.0.0.1:${port}`,
      "Connection: Upgrade, HTTP2-Settings, close",
      `Upgrade: ${protocol}`,
      "HTTP2-Settings: AAMAAABkAAQAAP__",
      `Authorization: ${bearer.authorization}`,
      "Content-Type: application/json",
      `Content-Length: ${body.length}`,
      "",
      body,
    ].join("\r\n"),
  );
  await once(peer.socket, "close");
  return peer.received();
}

test("a peer that asks to speak WebSocket is handed over, and calls are answered beside it", async () => {
  const server = opened.use(await serveTestService({ upgrade: echo }));
  const peer = await connected(server.port);
  const heard = once(peer, "message");
  peer.send("hello");
  const [message] = await heard;
  expect(String(message)).toBe("hello");
  expect((await getTranscript(server.url, '{"taskId": "t1"}')).status).toBe(200);
});

test.each([
  ["HTTP/2", "h2c", echo],
  ["WebSocket where nobody speaks it", "websocket", undefined],
])("a peer that asks to speak %s is answered in HTTP/1.1", async (_name, protocol, upgrade) => {
  const server = opened.use(await serveTestService({ ...(upgrade && { upgrade }) }));
  const answer = await asking(server.port, protocol);
  expect(answer).toMatch(/^HTTP\/1\.1 200 /);
  expect(answer).toContain("alice t1");
});

test("who took a connection over may say goodbye when the server stops", async () => {
  const server = await serveTestService({ upgrade: echo });
  const peer = await connected(server.port);
  const closed = once(peer, "close");
  await server[Symbol.asyncDispose]();
  expect((await closed)[0]).toBe(1001);
});

test("a connection whose taker does not say goodbye is closed all the same", async () => {
  const { promise: taken, resolve } = Promise.withResolvers<void>();
  const server = await serveTestService({ upgrade: () => resolve() });
  const peer = new WebSocket(`ws://127.0.0.1:${server.port}/ws/t1`);
  // That its handshake breaks off is an error to it.
  const failed = once(peer, "error");
  await taken;
  await server[Symbol.asyncDispose]();
  await expect(failed).resolves.toBeDefined();
});
