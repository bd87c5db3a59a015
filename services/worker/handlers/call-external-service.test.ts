import { describe, expect, test } from "vitest";
import { AddressPolicy } from "../../../lib/outbound/address-policy.ts";
import { guardedClient, trustedClient } from "../../../lib/outbound/call-client.ts";
import type { Resolve } from "../../../lib/outbound/resolve-host.ts";
import { carryOut, outputOf } from "../../../test/support/a-leased-task.ts";
import { httpServer } from "../../../test/support/http-server.ts";
import { maxOutputBytes } from "../outcome.ts";
import { callExternalService } from "./call-external-service.ts";
import { callStandIn } from "./call-stand-in.ts";

const handler = callExternalService({ openClient: trustedClient, standIn: undefined });

describe("call_external_service", () => {
  test("gives status, few headers, the final URL and JSON as it is", async () => {
    await using server = await httpServer((request, response) => {
      if (request.url === "/old") response.writeHead(301, { location: "/new" }).end();
      else {
        response.writeHead(200, {
          "content-type": "application/problem+json; charset=utf-8",
          "set-cookie": "a=1",
          etag: "e",
        });
        response.end('\ufeff{"items": [{"id": 12345678901234567890}]}');
      }
    });
    const outcome = await carryOut(handler, { url: `${server.url}/old` });
    expect(outputOf(outcome)).toMatchObject({
      status: 200,
      headers: { "content-type": "application/problem+json; charset=utf-8", etag: "e" },
      url: `${server.url}/new`,
    });
    expect(outputOf(outcome)).not.toHaveProperty("headers.set-cookie");
    expect(outputOf(outcome)).not.toHaveProperty("simulated");
    expect(outcome.kind === "completed" && Buffer.from(outcome.output).toString()).toContain(
      '"data":{"items": [{"id": 12345678901234567890}]}',
    );
  });

  test.each([
    ["text/plain", "a \u0000 text", "a \u0000 text"],
    ["image/png", Buffer.from([0x89, 0x50, 0xff]), "\ufffdP\ufffd"],
    ["application/json", "", null],
    ["text/plain", "", ""],
  ])("gives what is of type %s as it can be told (%#)", async (type, body, data) => {
    await using server = await httpServer((_, response) =>
      response.writeHead(200, { "content-type": type }).end(body),
    );
    expect(outputOf(await carryOut(handler, { url: server.url }))).toMatchObject({ data });
  });

  test.each([
    [{}, "GET", "", undefined],
    [{ body: "plain" }, "POST", "plain", undefined],
    [{ body: { a: [1] } }, "POST", '{"a":[1]}', "application/json"],
    [{ method: "put", body: 7 }, "PUT", "7", "application/json"],
    [{ method: "DELETE" }, "DELETE", "", undefined],
    [
      { body: {}, headers: { "Content-Type": "application/vnd.a+json" } },
      "POST",
      "{}",
      "application/vnd.a+json",
    ],
  ])("makes of %j a %s of %j", async (config, method, body, type) => {
    await using server = await httpServer((_, response) => response.end());
    outputOf(await carryOut(handler, { url: server.url, ...config }));
    expect(server.seen).toMatchObject([{ method, body }]);
    expect(server.seen[0]?.headers["content-type"]).toBe(type);
  });

  test("sends headers, and the credentials of its URL, which it shows nowhere", async () => {
    await using server = await httpServer((request, response) => {
      response.writeHead(request.url?.startsWith("/fails") === true ? 403 : 200);
      response.end(`you sent ${String(request.headers["x-api-key"])} and pass%20word, pass word`);
    });
    const at = server.url.replace("//", "//me:pass%20word@");
    const headers = { "x-api-key": "a-key-of-mine", "x-number": 5 };
    const output = outputOf(await carryOut(handler, { url: `${at}/works`, headers }));
    expect(server.seen[0]?.headers).toMatchObject({
      "x-api-key": "a-key-of-mine",
      "x-number": "5",
      authorization: `Basic ${Buffer.from("me:pass word").toString("base64")}`,
    });
    expect(output).toHaveProperty("url", `${server.url}/works`);
    expect(await carryOut(handler, { url: `${at}/fails?token=t`, headers })).toEqual({
      kind: "failed",
      reason: "HTTP_STATUS",
      message: `GET ${server.url}/fails was answered with 403: you sent [secret] and [secret], [secret]`,
      nonRetryable: true,
    });
  });

  test("hides each part of a header that a server repeats, and no word that is no secret", async () => {
    await using server = await httpServer((_, response) => {
      response.writeHead(401).end("Bearer tokens of session-1234 and token-5678 are refused");
    });
    const headers = { authorization: "Bearer token-5678", cookie: "a=1; sid=session-1234" };
    const outcome = await carryOut(handler, { url: server.url, headers });
    expect(outcome).toMatchObject({
      message: `GET ${server.url}/ was answered with 401: Bearer tokens of [secret] and [secret] are refused`,
    });
  });

  test.each([
    [400, undefined, { nonRetryable: true }],
    [404, "5", { nonRetryable: true }],
    [408, undefined, {}],
    [425, undefined, {}],
    [429, "7", { retryDelayMs: 7_000 }],
    [500, undefined, {}],
    [503, "120", { retryDelayMs: 120_000 }],
    [503, "nonsense", {}],
  ])("fails with status %d and a retry-after of %s as %j", async (status, retryAfter, more) => {
    await using server = await httpServer((_, response) => {
      response.writeHead(status, { ...(retryAfter !== undefined && { "retry-after": retryAfter }) });
      response.end("line one\nline \u0007two");
    });
    expect(await carryOut(handler, { url: server.url })).toEqual({
      kind: "failed",
      reason: "HTTP_STATUS",
      message: `GET ${server.url}/ was answered with ${status}: line one line two`,
      ...more,
    });
  });

  test("bounds what a message says of a body", async () => {
    await using server = await httpServer((_, response) => response.writeHead(500).end("x".repeat(100_000)));
    const outcome = await carryOut(handler, { url: server.url });
    expect(outcome.kind === "failed" && outcome.message.length).toBeLessThan(1_200);
  });

  test("fails for good when JSON is none, or the output would be too large", async () => {
    await using server = await httpServer((request, response) => {
      response.writeHead(200, {
        "content-type": request.url === "/json" ? "application/json" : "text/plain",
      });
      // Within the bound as it comes, above it with its characters escaped.
      response.end(request.url === "/json" ? "{oops" : "\u0001".repeat(maxOutputBytes - 1));
    });
    expect(await carryOut(handler, { url: `${server.url}/json` })).toMatchObject({
      reason: "RESPONSE_INVALID",
      nonRetryable: true,
    });
    expect(await carryOut(handler, { url: `${server.url}/text` })).toMatchObject({
      reason: "RESPONSE_TOO_LARGE",
      nonRetryable: true,
    });
  });

  test("says that it began only when the config is right", async () => {
    await using server = await httpServer((_, response) => response.end());
    let starts = 0;
    const started = (): void => {
      starts += 1;
    };
    await carryOut(handler, { url: "none" }, { started });
    expect(starts).toBe(0);
    await carryOut(handler, { url: server.url }, { started });
    expect(starts).toBe(1);
  });

  test.each([
    [{}, "config.url: "],
    [{ url: "ftp://a/" }, "config.url: must be a URL of http or https"],
    [{ url: "/relative" }, "config.url: must be a URL of http or https"],
    [{ url: "http://a/", method: "TRACE" }, "config.method: must be one of GET, "],
    [{ url: "http://a/", headers: { a: "b\r\nc: d" } }, "config.headers.a: is not the value of a header"],
    [{ url: "http://a/", headers: { "a b": "c" } }, "config.headers.a b: "],
    [{ url: "http://a/", headers: { Host: "b" } }, "config.headers.Host: can not be set"],
    [
      { url: "http://a/", headers: { "Content-Length": "1" } },
      "config.headers.Content-Length: can not be set",
    ],
    [{ url: "http://a/", timeout_ms: 600_001 }, "config.timeout_ms: "],
    [{ url: "http://a/", timout_ms: 1 }, "config.timout_ms: is not known"],
  ])("refuses the config %j with the key at fault", async (config, message) => {
    const outcome = await carryOut(handler, config);
    expect(outcome).toMatchObject({ reason: "CONFIG_INVALID", nonRetryable: true });
    expect(outcome.kind === "failed" && outcome.message).toContain(message);
  });

  test("names all faults of a config at once, and no value of it", async () => {
    const outcome = await carryOut(handler, {
      url: "secret-url",
      method: "secret-method",
      headers: { a: ["secret"] },
    });
    const message = outcome.kind === "failed" ? outcome.message : "";
    expect(message).toMatch(/config\.url: .*; config\.method: .*; config\.headers\.a: must be a text/);
    expect(message).not.toContain("secret");
  });
});

describe("the stand-in for hosts that do not resolve", () => {
  const nowhere: Resolve = async (host) => {
    throw Object.assign(new Error(host), { code: "ENOTFOUND" });
  };
  const withStandIn = (resolve: Resolve) =>
    callExternalService({ openClient: trustedClient, standIn: callStandIn(resolve) });
  /** What no host resolves for. */
  const openClient = guardedClient({ policy: new AddressPolicy([]), resolve: nowhere });

  test("answers for a name of one word, always the same, and marks it", async () => {
    const config = { url: "http://consumer/echo%3A%20x?a=b", body: { a: 1 } };
    const output = outputOf(await carryOut(withStandIn(nowhere), config));
    expect(output).toEqual({
      status: 200,
      headers: { "content-type": "application/json" },
      url: "http://consumer/echo%3A%20x?a=b",
      simulated: true,
      data: { service: "consumer", method: "POST", path: "/echo%3A%20x?a=b" },
    });
    expect(outputOf(await carryOut(withStandIn(nowhere), config))).toEqual(output);
  });

  test("answers for a name of one word that nobody finds in time", async () => {
    const forEver: Resolve = async () => await new Promise(() => undefined);
    expect(outputOf(await carryOut(withStandIn(forEver), { url: "http://service-a" }))).toHaveProperty(
      "simulated",
    );
  });

  test("leaves calls to hosts that there are, and to addresses, alone", async () => {
    await using server = await httpServer((_, response) => response.end("real"));
    const there: Resolve = async () => [{ address: "127.0.0.1", family: 4 }];
    for (const host of ["localhost", "127.0.0.1"]) {
      const url = `http://${host}:${server.port}`;
      expect(outputOf(await carryOut(withStandIn(there), { url }))).toMatchObject({ data: "real" });
    }
    expect(outputOf(await carryOut(withStandIn(nowhere), { url: server.url }))).toMatchObject({
      data: "real",
    });
  });

  test("never answers for a name with a dot", async () => {
    const outcome = await carryOut(callExternalService({ openClient, standIn: callStandIn(nowhere) }), {
      url: "http://service-a.example/",
    });
    expect(outcome).toMatchObject({ reason: "NETWORK_ERROR" });
  });

  test("is not there in production", async () => {
    const outcome = await carryOut(callExternalService({ openClient, standIn: undefined }), {
      url: "http://service-a/",
    });
    expect(outcome).toMatchObject({ kind: "failed", reason: "NETWORK_ERROR" });
  });
});
