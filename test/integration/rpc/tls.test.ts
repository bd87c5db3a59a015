import { once } from "node:events";
import { readFileSync } from "node:fs";
import { cp, rename } from "node:fs/promises";
import { connect as connectHttp2 } from "node:http2";
import { request } from "node:https";
import { join } from "node:path";
import { connect } from "node:tls";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { pino } from "pino";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { TaskIOService } from "../../../gen/antiphon/taskio/v1/taskio_service_pb.ts";
import { bearing } from "../../../lib/rpc/client.ts";
import { publicPeers } from "../../../lib/rpc/peer-limits.ts";
import { Antiphon } from "../../../sdk/typescript/antiphon.ts";
import { type CertificatePair, TestAuthority } from "../../support/certificates.ts";
import { type TemporaryFolder, temporaryFolder } from "../../support/temporary-folder.ts";
import { until } from "../../support/until.ts";
import { bearer, rawConnection, serveTestService, token } from "./test-service.ts";

type TestServer = Awaited<ReturnType<typeof serveTestService>>;

let folder: TemporaryFolder;
let authority: TestAuthority;
let stranger: TestAuthority;
let certificate: CertificatePair;
let opened: AsyncDisposableStack;

beforeAll(async () => {
  folder = await temporaryFolder("tls");
  authority = await TestAuthority.make(folder.path, "authority");
  stranger = await TestAuthority.make(folder.path, "stranger");
  certificate = await authority.sign("server");
});
afterAll(() => folder[Symbol.asyncDispose]());

beforeEach(() => {
  opened = new AsyncDisposableStack();
});
afterEach(() => opened.disposeAsync());

async function serveTls(options: Parameters<typeof serveTestService>[0] = {}): Promise<TestServer> {
  return opened.use(await serveTestService({ tls: certificate, ...options }));
}

/** What a client needs to trust the authority and, where it has one, to show a certificate. */
function trust(shown?: CertificatePair) {
  return {
    ca: readFileSync(authority.caPath),
    ...(shown && { cert: readFileSync(shown.certPath), key: readFileSync(shown.keyPath) }),
  };
}

/** The serial number of the certificate that the server shows. Rejects when the server does not talk to who calls. */
async function shownBy({ port }: TestServer, shown?: CertificatePair): Promise<string> {
  const socket = connect({ host: "127.0.0.1", port, ...trust(shown) });
  socket.end("GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  try {
    return await new Promise((resolve, reject) => {
      socket.once("data", () => resolve(socket.getPeerCertificate().serialNumber));
      socket.once("error", reject);
      socket.once("close", () => reject(new Error("closed without a word")));
    });
  } finally {
    socket.destroy();
  }
}

async function callByGrpc({ url }: TestServer, shown?: CertificatePair): Promise<string> {
  const transport = createGrpcTransport({
    baseUrl: url,
    nodeOptions: trust(shown),
    interceptors: [bearing(async () => token)],
  });
  const { nextAfter } = await createClient(TaskIOService, transport).getTranscript({ taskId: "t1" });
  return nextAfter;
}

async function callByHttp1({ url }: TestServer): Promise<string> {
  const call = request(`${url}/antiphon.taskio.v1.TaskIOService/GetTranscript`, {
    ...trust(),
    method: "POST",
    agent: false,
    headers: { "content-type": "application/json", ...bearer },
  });
  call.end('{"taskId": "t1"}');
  const [answer] = (await once(call, "response")) as [AsyncIterable<Buffer>];
  let text = "";
  for await (const chunk of answer) text += String(chunk);
  return text;
}

describe("a port with a certificate", () => {
  test("says https, and answers gRPC over HTTP/2 and JSON over HTTP/1.1", async () => {
    const server = await serveTls();
    expect(server.url).toBe(`https://127.0.0.1:${server.port}`);
    expect(await callByGrpc(server)).toBe("alice t1");
    expect(JSON.parse(await callByHttp1(server))).toEqual({ nextAfter: "alice t1" });
  });

  test("hands over who asks to speak WebSocket", async () => {
    const server = await serveTls({
      upgrade: (request, socket, head) => {
        new WebSocketServer({ noServer: true }).handleUpgrade(request, socket, head, (peer) => {
          peer.on("message", (heard) => peer.send(heard));
        });
      },
    });
    const peer = new WebSocket(`wss://127.0.0.1:${server.port}/ws/t1`, trust());
    await once(peer, "open");
    const heard = once(peer, "message");
    peer.send("hello");
    expect(String((await heard)[0])).toBe("hello");
    peer.terminate();
  });

  test("tells who speaks plain HTTP so", async () => {
    const server = await serveTls();
    using peer = await rawConnection(server.port);
    peer.socket.write("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await once(peer.socket, "close");
    expect(peer.received()).toMatch(/^HTTP\/1\.1 400 .*this port speaks HTTPS\n$/s);
  });

  test("cuts off who takes too long to shake hands, or speaks TLS badly", async () => {
    const server = await serveTls({ limits: { ...publicPeers, peekTimeoutMs: 100 } });
    for (const said of ["\x16", "\x16\x03\x01\x00\xff", "\x16garbage that is no handshake at all"]) {
      using peer = await rawConnection(server.port);
      peer.socket.write(said, "latin1");
      if (!peer.socket.destroyed) await once(peer.socket, "close");
    }
    expect(await callByGrpc(server)).toBe("alice t1");
  });

  test("speaks nothing older than TLS 1.2", async () => {
    const server = await serveTls();
    // Our own OpenSSL would not even try, unless told.
    const old = { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" } as const;
    const peer = connect({ port: server.port, ...trust(), ...old });
    await expect(once(peer, "secureConnect")).rejects.toThrow("alert protocol version");
  });

  test("stops at once although clients are connected, if they are idle", async () => {
    const server = await serveTestService({ tls: certificate, shutdownGraceMs: 600_000 });
    const http2 = connectHttp2(server.url, trust());
    await once(http2, "connect");
    const http1 = connect({ port: server.port, ...trust() });
    await once(http1, "secureConnect");
    await Promise.all([server[Symbol.asyncDispose](), once(http2, "close"), once(http1, "close")]);
    expect([http2.closed, http1.destroyed]).toEqual([true, true]);
  });

  test("does not start with a key of another certificate", async () => {
    const { keyPath } = await authority.sign("other");
    await expect(serveTestService({ tls: { ...certificate, keyPath } })).rejects.toThrow("mismatch");
  });
});

test("the TypeScript client trusts the authority that it is told, and shows its certificate", async () => {
  const server = await serveTls({ tls: { ...certificate, clientCaPath: authority.caPath } });
  const options = { url: server.url, credentials: { token } };
  const tls = { caPath: authority.caPath, ...(await authority.sign("sdk")) };
  using client = new Antiphon({ ...options, tls });
  expect((await client.taskio.getTranscript({ taskId: "t1" })).nextAfter).toBe("alice t1");
  using distrustful = new Antiphon({ ...options, tls: { ...tls, caPath: stranger.caPath } });
  const refusal = distrustful.taskio.getTranscript({ taskId: "t1" });
  await expect(refusal).rejects.toThrow(/certificate/);
});

test("a port shows the certificate that its files have, also when they are replaced", async () => {
  const [first, second] = await Promise.all([authority.sign("first"), authority.sign("second")]);
  const certPath = join(folder.path, "shown.crt");
  const keyPath = join(folder.path, "shown.key");
  const show = async (pair: CertificatePair, only?: "certificate") => {
    await cp(pair.certPath, `${certPath}.new`);
    await rename(`${certPath}.new`, certPath);
    if (only !== undefined) return;
    await cp(pair.keyPath, `${keyPath}.new`);
    await rename(`${keyPath}.new`, keyPath);
  };
  await show(first);
  const warnings: string[] = [];
  const log = pino({ level: "warn" }, { write: (line) => void warnings.push(line) });
  const server = await serveTls({ tls: { certPath, keyPath }, log });
  const before = await shownBy(server);
  expect(await shownBy(server)).toBe(before);
  await show(second, "certificate");
  await until("the new certificate is found to be of no use without its key", async () => {
    expect(await shownBy(server)).toBe(before);
    return warnings.some((line) => line.includes("certificates not replaced"));
  });
  expect(await shownBy(server)).toBe(before);
  await show(second);
  await until("the new certificate is shown", async () => (await shownBy(server)) !== before);
});

describe("a port that asks for certificates", () => {
  const asking = () => serveTls({ tls: { ...certificate, clientCaPath: authority.caPath } });

  test("answers who shows one of the authority", async () => {
    const server = await asking();
    expect(await callByGrpc(server, await authority.sign("client"))).toBe("alice t1");
  });

  test("talks neither to who shows none nor to who shows one of another authority", async () => {
    const server = await asking();
    await expect(shownBy(server)).rejects.toThrow("alert certificate required");
    const strange = await stranger.sign("stranger-client");
    await expect(shownBy(server, strange)).rejects.toThrow(/closed without a word|ECONNRESET/);
  });
});
