import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer as createPlainServer } from "node:http";
import { createSecureServer, type Http2SecureServer } from "node:http2";
import type { AddressInfo, Server } from "node:net";
import { Code, ConnectError } from "@connectrpc/connect";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Antiphon } from "../sdk/typescript/antiphon.ts";
import { type CertificatePair, TestAuthority } from "../test/support/certificates.ts";
import { type TemporaryFolder, temporaryFolder } from "../test/support/temporary-folder.ts";
import { exitCode } from "./exit-code.ts";
import { type FailureReport, reportOf } from "./failure-report.ts";

let folder: TemporaryFolder;
let certificate: CertificatePair;
let opened: AsyncDisposableStack;

beforeAll(async () => {
  folder = await temporaryFolder("tls-failure");
  const authority = await TestAuthority.make(folder.path, "authority");
  certificate = await authority.sign("server");
});
afterAll(() => folder[Symbol.asyncDispose]());

beforeEach(() => {
  opened = new AsyncDisposableStack();
});
afterEach(() => opened.disposeAsync());

function tlsServer(): Http2SecureServer {
  const server = createSecureServer({
    cert: readFileSync(certificate.certPath),
    key: readFileSync(certificate.keyPath),
  });
  server.on("sessionError", () => {});
  server.on("tlsClientError", () => {});
  return server;
}

/** How the command line tells of a call to the server by https. */
async function reportOfCall(server: Server): Promise<FailureReport> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  opened.defer(async () => {
    server.close();
    await once(server, "close");
  });
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  using antiphon = new Antiphon({ url, credentials: { clientId: "c", clientSecret: "s" }, tls: {} });
  return await antiphon.token().then(
    () => expect.unreachable("the call came through"),
    (thrown: unknown) => reportOf(thrown, url),
  );
}

describe("a call that TLS does not let through", () => {
  test("names an authority that is not known, and the variable", async () => {
    const { message, hint, exitCode: code } = await reportOfCall(tlsServer());
    expect(message).toMatch(/^the server https:.* has a certificate of an authority that is not known here$/);
    expect(hint).toContain("ANTIPHON_TLS_CA");
    expect(code).toBe(exitCode.unreachable);
  });

  test("names the certificate that the server wants, and the variables", () => {
    // Whether the server's alert or the end of the connection is noticed first is a race, so there is no server here.
    const code = "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED";
    const cause = Object.assign(new Error("alert number 116"), { code });
    const { message, hint } = reportOf(
      new ConnectError(cause.message, Code.Internal, undefined, undefined, cause),
    );
    expect(message).toBe("the server wants to be shown a certificate");
    expect(hint).toMatch(/ANTIPHON_TLS_CERT and ANTIPHON_TLS_KEY/);
  });

  test("tells that a server speaks no TLS", async () => {
    const { message, hint } = await reportOfCall(createPlainServer());
    expect(message).toContain("speaks no TLS");
    expect(hint).toContain("http://");
  });
});
