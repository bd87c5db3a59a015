import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo, Server } from "node:net";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type CertificatePair, TestAuthority } from "../../test/support/certificates.ts";
import { type TemporaryFolder, temporaryFolder } from "../../test/support/temporary-folder.ts";
import { checkPort } from "./server.ts";

let folder: TemporaryFolder;
let authority: TestAuthority;
let certificate: CertificatePair;
let opened: AsyncDisposableStack;

beforeAll(async () => {
  folder = await temporaryFolder("doctor-server");
  authority = await TestAuthority.make(folder.path, "authority");
  certificate = await authority.sign("server");
});
afterAll(() => folder[Symbol.asyncDispose]());

beforeEach(() => {
  opened = new AsyncDisposableStack();
});
afterEach(() => opened.disposeAsync());

const healthy = (_request: unknown, response: { end: (text: string) => unknown }): void => {
  response.end("OK");
};

function tlsServer(options: { readonly mutual: boolean }): Server {
  return createHttpsServer(
    {
      cert: readFileSync(certificate.certPath),
      key: readFileSync(certificate.keyPath),
      ...(options.mutual && { ca: readFileSync(authority.caPath), requestCert: true }),
    },
    healthy,
  );
}

/** What is found of the port that the server listens on. */
async function found(server: Server, serverPid?: number) {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  opened.defer(async () => {
    server.close();
    await once(server, "close");
  });
  const { port } = server.address() as AddressInfo;
  const surroundings = { env: {}, dataDirectory: "", temporary: "", host: "127.0.0.1", port, serverPid };
  return await checkPort(surroundings);
}

const ours = { status: "ok", detail: "a server of ours listens there" };
const foreign = { status: "missing", detail: "another program listens there" };

async function endedPid(): Promise<number> {
  const child = spawn(process.execPath, ["--version"], { stdio: "ignore" });
  await once(child, "exit");
  return child.pid ?? 0;
}

describe("checkPort", () => {
  test("knows a server of ours with and without TLS", async () => {
    expect(await found(createHttpServer(healthy))).toMatchObject(ours);
    expect(await found(tlsServer({ mutual: false }))).toMatchObject(ours);
  });

  test("knows one that asks for certificates by what the data folder says", async () => {
    expect(await found(tlsServer({ mutual: true }), process.pid)).toMatchObject(ours);
  });

  test("takes nothing else for ours, nor the word of a server that is dead", async () => {
    const pid = await endedPid();
    expect(await found(createHttpServer((_request, response) => response.end("hello")))).toMatchObject(
      foreign,
    );
    expect(await found(tlsServer({ mutual: true }), pid)).toMatchObject(foreign);
  });
});
