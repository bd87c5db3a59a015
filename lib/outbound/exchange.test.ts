import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { httpServer } from "../../test/support/http-server.ts";
import { until } from "../../test/support/until.ts";
import { AddressPolicy } from "./address-policy.ts";
import { allowedHost } from "./allowed-host.ts";
import { guardedClient, trustedClient } from "./call-client.ts";
import { type CallRequest, type Exchanged, type ExchangeOptions, exchange } from "./exchange.ts";
import { type Resolve, resolver } from "./resolve-host.ts";

const get = (url: string, of: Partial<CallRequest> = {}): CallRequest => ({
  method: "GET",
  url: new URL(url),
  headers: {},
  body: undefined,
  ...of,
});

const options = (of: Partial<ExchangeOptions> = {}): ExchangeOptions => ({
  openClient: trustedClient,
  signal: new AbortController().signal,
  timeoutMs: 20_000,
  maxBytes: 10_000,
  maxRedirects: 5,
  allowedBy: "ALLOWED_HOSTS",
  ...of,
});

/** What opens connections to public addresses, and to what `allowed` names. */
const guarded = (allowed: readonly string[], resolve: Resolve = resolver()) =>
  guardedClient({ policy: new AddressPolicy(allowed.flatMap((entry) => allowedHost(entry) ?? [])), resolve });

const failureOf = (exchanged: Exchanged) => {
  if (exchanged.kind !== "failed") throw new Error(`not failed: ${exchanged.kind}`);
  return exchanged;
};

describe("the response to a call", () => {
  test("has status, headers and text, whatever the status", async () => {
    await using server = await httpServer((_, response) => {
      response.writeHead(418, { "X-One": "1", "set-cookie": ["a=1", "b=2"] }).end("käse\xff");
    });
    const answered = await exchange(get(`${server.url}/path?x=1`), options());
    expect(answered).toMatchObject({ kind: "answered", status: 418, text: "käseÿ" });
    expect(answered.kind === "answered" && answered.headers.get("x-one")).toBe("1");
    expect(answered.kind === "answered" && answered.headers.get("set-cookie")).toBe("a=1");
    expect(server.seen[0]).toMatchObject({ method: "GET", path: "/path?x=1" });
  });

  test.each([
    ["gzip", gzipSync],
    ["deflate", deflateSync],
    ["br", brotliCompressSync],
  ])("is read when it is compressed by %s", async (encoding, compress) => {
    await using server = await httpServer((_, response) => {
      response.writeHead(200, { "content-encoding": encoding }).end(compress("text ".repeat(100)));
    });
    expect(await exchange(get(server.url), options())).toMatchObject({ text: "text ".repeat(100) });
  });

  test.each([
    ["compressed by what nobody knows", "zz", Buffer.from("x")],
    ["compressed and cut short", "gzip", gzipSync("a text that is there").subarray(0, 20)],
  ])("that is %s is a failure that repeats", async (_, encoding, body) => {
    await using server = await httpServer((_, response) => {
      response.writeHead(200, { "content-encoding": encoding }).end(body);
    });
    const failure = failureOf(await exchange(get(server.url), options()));
    expect(failure).toMatchObject({ reason: "RESPONSE_INVALID", nonRetryable: true });
  });

  test("is bounded, also when it never ends", async () => {
    const endless = function* (): Generator<string> {
      for (;;) yield "x".repeat(1_000);
    };
    const source = Readable.from(endless());
    await using server = await httpServer((_, response) => {
      pipeline(source, response).catch(() => undefined);
    });
    const failure = failureOf(await exchange(get(server.url), options()));
    expect(failure).toMatchObject({ reason: "RESPONSE_TOO_LARGE", nonRetryable: true });
    await until("the server has seen that nobody reads on", () => source.destroyed);
  });

  test("is bounded by what it is when it is decompressed", async () => {
    const bomb = gzipSync(Buffer.alloc(200_000_000));
    await using server = await httpServer((_, response) => {
      response.writeHead(200, { "content-encoding": "gzip" }).end(bomb);
    });
    const before = process.memoryUsage().arrayBuffers;
    const failure = failureOf(await exchange(get(server.url), options({ maxBytes: 1_048_576 })));
    expect(failure.reason).toBe("RESPONSE_TOO_LARGE");
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(50_000_000);
  });

  test("that breaks off is an error of the network", async () => {
    await using server = await httpServer((_, response) => {
      response.writeHead(200, { "content-length": "100" });
      response.write("some", () => response.destroy());
    });
    const failure = failureOf(await exchange(get(server.url), options()));
    expect(failure.reason).toBe("NETWORK_ERROR");
    expect(failure.nonRetryable).toBeUndefined();
  });

  test("that is not HTTP is an error of the network", async () => {
    const server = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.resume().end("220 mail.example ESMTP\r\n");
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    try {
      const failure = failureOf(await exchange(get(`http://127.0.0.1:${port}`), options()));
      expect(failure.reason).toBe("NETWORK_ERROR");
    } finally {
      server.close();
      await once(server, "close");
    }
  });
});

describe("a call that is not answered", () => {
  test("ends when its time is over, while the head or the body is awaited", async () => {
    await using server = await httpServer((request, response) => {
      if (request.url === "/body") response.writeHead(200).write("begun");
    });
    for (const path of ["/head", "/body"]) {
      const failure = failureOf(
        await exchange(get(`${server.url}${path}?key=secret`), options({ timeoutMs: 300 })),
      );
      expect(failure).toEqual({
        kind: "failed",
        reason: "CALL_TIMEOUT",
        message: `GET ${server.url}${path} was not answered within 0.3 s`,
      });
    }
  });

  test("ends when its time is over while its host is looked up", async () => {
    const openClient = guarded([], async () => await new Promise(() => undefined));
    const failure = failureOf(
      await exchange(get("http://slow.example/"), options({ openClient, timeoutMs: 100 })),
    );
    expect(failure.reason).toBe("CALL_TIMEOUT");
  });

  test("is cancelled with its task, and the server sees it", async () => {
    const task = new AbortController();
    let isClosed = false;
    await using server = await httpServer((_, response) => {
      response.on("close", () => {
        isClosed = true;
      });
      task.abort();
    });
    expect(await exchange(get(server.url), options({ signal: task.signal }))).toEqual({ kind: "cancelled" });
    await until("the connection is closed", () => isClosed);
  });

  test("is an error of the network when nobody listens or there is no such host", async () => {
    const server = await httpServer(() => undefined);
    await server[Symbol.asyncDispose]();
    expect(failureOf(await exchange(get(server.url), options()))).toEqual({
      kind: "failed",
      reason: "NETWORK_ERROR",
      message: `GET ${server.url}/ got no response: ECONNREFUSED`,
    });
    const openClient = guarded([], async (host) => {
      throw Object.assign(new Error(host), { code: "ENOTFOUND" });
    });
    expect(failureOf(await exchange(get("http://none.example/"), options({ openClient }))).message).toBe(
      "GET http://none.example/ got no response: ENOTFOUND",
    );
  });
});

describe("redirects", () => {
  test("are followed, at most as many as are allowed", async () => {
    await using server = await httpServer((request, response) => {
      const left = Number(request.url?.slice(1));
      if (left === 0) response.end("there");
      else response.writeHead(302, { location: `/${left - 1}` }).end();
    });
    const answered = await exchange(get(`${server.url}/5`), options());
    expect(answered).toMatchObject({ text: "there", request: { url: new URL(`${server.url}/0`) } });
    const failure = failureOf(await exchange(get(`${server.url}/6`), options()));
    expect(failure).toMatchObject({ reason: "REDIRECT_REFUSED", nonRetryable: true });
  });

  test("to another origin bring no key there", async () => {
    await using other = await httpServer((_, response) => response.end("other"));
    await using server = await httpServer((_, response) => {
      response.writeHead(307, { location: `${other.url}/there` }).end();
    });
    const request = get(server.url, {
      headers: { authorization: "Bearer a", "x-api-key": "b", accept: "text/plain" },
    });
    await exchange(request, options());
    expect(server.seen[0]?.headers).toMatchObject({ authorization: "Bearer a", "x-api-key": "b" });
    expect(other.seen[0]?.headers).not.toHaveProperty("authorization");
    expect(other.seen[0]?.headers).not.toHaveProperty("x-api-key");
    expect(other.seen[0]?.headers).toHaveProperty("accept", "text/plain");
  });

  test("are handed over where none may be followed", async () => {
    await using server = await httpServer((_, response) => response.writeHead(302, { location: "/" }).end());
    expect(await exchange(get(server.url), options({ maxRedirects: 0 }))).toMatchObject({ status: 302 });
    expect(server.seen).toHaveLength(1);
  });
});

describe("a call of a user's URL", () => {
  const refused = { kind: "failed", reason: "ADDRESS_REFUSED", nonRetryable: true } as const;

  test.each([
    (port: number) => `http://127.0.0.1:${port}/`,
    (port: number) => `http://localhost:${port}/`,
    (port: number) => `http://0.0.0.0:${port}/`,
    (port: number) => `http://2130706433:${port}/`,
    (port: number) => `http://0x7f.1:${port}/`,
    (port: number) => `http://[::1]:${port}/`,
    (port: number) => `http://[::ffff:127.0.0.1]:${port}/`,
    (port: number) => `http://[64:ff9b::7f00:1]:${port}/`,
    () => "http://169.254.169.254/latest/meta-data/",
  ])("does not reach what is not public (%#)", async (urlAt) => {
    await using server = await httpServer((_, response) => response.end("private"));
    const exchanged = await exchange(get(urlAt(server.port)), options({ openClient: guarded([]) }));
    expect(exchanged).toMatchObject(refused);
    expect(server.seen).toEqual([]);
  });

  test("reaches what the operator allows, by host and by network", async () => {
    await using server = await httpServer((_, response) => response.end("private"));
    for (const [allowed, host] of [
      [`localhost:${server.port}`, "localhost"],
      ["127.0.0.0/8", "127.0.0.1"],
      [`127.0.0.1:${server.port}`, "127.0.0.1"],
    ] as const) {
      const openClient = guarded([allowed], async () => [{ address: "127.0.0.1", family: 4 }]);
      const url = `http://${host}:${server.port}/`;
      expect(await exchange(get(url), options({ openClient }))).toMatchObject({ text: "private" });
    }
  });

  test("does not follow a redirect to what is not public", async () => {
    await using hidden = await httpServer((_, response) => response.end("private"));
    await using server = await httpServer((_, response) => {
      response.writeHead(302, { location: `http://127.0.0.1:${hidden.port}/` }).end();
    });
    const openClient = guarded([`127.0.0.1:${server.port}`]);
    expect(await exchange(get(server.url), options({ openClient }))).toMatchObject(refused);
    expect(hidden.seen).toEqual([]);
  });

  test("connects to no address that a name leads to only after it was checked", async () => {
    await using server = await httpServer((_, response) => response.end("private"));
    const answers = ["203.0.113.1", "127.0.0.1"];
    let asked = 0;
    // A name server that answers the check in one way and the connection in another.
    const openClient = guarded(["203.0.113.0/24"], async () => {
      asked += 1;
      return [{ address: answers[asked - 1] ?? "127.0.0.1", family: 4 }];
    });
    const first = failureOf(
      await exchange(
        get(`http://rebinding.example:${server.port}/`),
        options({ openClient, timeoutMs: 500 }),
      ),
    );
    expect(["CALL_TIMEOUT", "NETWORK_ERROR"]).toContain(first.reason);
    expect(asked).toBe(1);
    const second = await exchange(get(`http://rebinding.example:${server.port}/`), options({ openClient }));
    expect(second).toMatchObject(refused);
    expect(asked).toBe(2);
    expect(server.seen).toEqual([]);
  });

  test("takes of several addresses those that it may reach", async () => {
    await using server = await httpServer((_, response) => response.end("here"));
    const openClient = guarded(["127.0.0.1/32"], async () => [
      { address: "10.0.0.1", family: 4 },
      { address: "127.0.0.1", family: 4 },
    ]);
    const url = `http://both.example:${server.port}/`;
    expect(await exchange(get(url), options({ openClient }))).toMatchObject({ text: "here" });
  });

  test("uses no proxy that the environment names", async () => {
    await using proxy = await httpServer((_, response) => response.end("proxied"));
    await using server = await httpServer((_, response) => response.end("direct"));
    const names = ["HTTP_PROXY", "http_proxy", "ALL_PROXY"];
    const before = names.map((name) => [name, process.env[name]] as const);
    for (const name of names) process.env[name] = proxy.url;
    try {
      const openClient = guarded(["127.0.0.1"]);
      expect(await exchange(get(server.url), options({ openClient }))).toMatchObject({ text: "direct" });
      expect(proxy.seen).toEqual([]);
    } finally {
      for (const [name, value] of before) {
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
      }
    }
  });
});
