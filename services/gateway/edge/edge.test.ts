import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { join } from "node:path";
import { createClient, createRouterTransport } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { AuthService } from "../../../gen/antiphon/auth/v1/auth_service_pb.ts";
import { SchedulerService } from "../../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { TaskIOService } from "../../../gen/antiphon/taskio/v1/taskio_service_pb.ts";
import { DomainError } from "../../../lib/errors/domain-error.ts";
import { logger } from "../../../lib/log/log.ts";
import { networkTransport } from "../../../lib/rpc/client.ts";
import { fromConnectError } from "../../../lib/rpc/from-connect-error.ts";
import { type Server, serve } from "../../../lib/rpc/serve.ts";
import { toConnectError } from "../../../lib/rpc/to-connect-error.ts";
import { aCaller } from "../../../test/support/a-caller.ts";
import { type TemporaryFolder, temporaryFolder } from "../../../test/support/temporary-folder.ts";
import { until } from "../../../test/support/until.ts";
import { readPortSettings, readSettings } from "../config.ts";
import { gateway } from "../gateway.ts";
import { Edge } from "./edge.ts";

const log = logger("gateway", "silent");
const app = "https://app.example.com";
const evil = "https://evil.example";
const getTask = `/${SchedulerService.typeName}/GetTask`;
const issueToken = `/${AuthService.typeName}/IssueToken`;
const json = { "content-type": "application/json" };
const good = { authorization: "Bearer good" };

let folder: TemporaryFolder;
let opened: AsyncDisposableStack;
/** The headers of the calls that came to the services behind, in their order. */
let seen: Headers[];

beforeAll(async () => {
  folder = await temporaryFolder("edge");
});
afterAll(() => folder[Symbol.asyncDispose]());
beforeEach(() => {
  opened = new AsyncDisposableStack();
  seen = [];
});
afterEach(() => opened.disposeAsync());

const behind = createRouterTransport((router) => {
  router.service(AuthService, {
    issueToken({ clientSecret }, { requestHeader }) {
      seen.push(requestHeader);
      if (clientSecret === "s1") return { accessToken: "token" };
      throw toConnectError(new DomainError("CREDENTIALS_INVALID", "no such client"));
    },
  });
  router.service(SchedulerService, {
    getTask({ taskId }, { requestHeader }) {
      seen.push(requestHeader);
      return { task: { taskId } };
    },
    submitTask: () => ({ task: { taskId: "t1", runId: "t1" } }),
    cancelTask() {
      throw toConnectError(new DomainError("TASK_NOT_FOUND", "there is no task t2", { task_id: "t2" }));
    },
    async uploadFile(requests) {
      for await (const _ of requests) continue;
      return { upload: { uploadId: "u1" } };
    },
  });
  router.service(TaskIOService, {
    async *attach(requests) {
      for await (const { request } of requests) {
        if (request.case !== "answer") continue;
        const { promptId } = request.value;
        if (promptId === "p1") yield { response: { case: "accepted", value: { promptId } } };
        else yield { response: { case: "refused", value: { promptId, reason: "PROMPT_CLOSED" } } };
      }
    },
  });
});

/** Serves a gateway behind an edge of these settings. */
async function start(env: Readonly<Record<string, string>> = {}): Promise<Server> {
  const edge = opened.use(await Edge.open(readPortSettings(env).edge, { boundTo: "127.0.0.1", log }));
  const verify = async () => aCaller({ clientId: "c1" });
  const composed = gateway({
    auth: behind,
    scheduler: behind,
    taskio: behind,
    worker: behind,
    fetchKeys: async () => ({ keys: [] }),
    behind: [],
    verify,
    edge,
    settings: readSettings({}),
    log,
  });
  return opened.use(
    await serve({
      host: "127.0.0.1",
      port: 0,
      services: [composed],
      fallback: composed.fallback,
      verify: composed.verify,
      around: composed.around,
      interceptors: composed.interceptors,
      upgrade: edge.aroundUpgrade((request, socket, head) => {
        new WebSocketServer({ noServer: true }).handleUpgrade(request, socket, head, (peer) => {
          peer.send(String(request.headers["x-request-id"]));
        });
      }),
      log,
      shutdownGraceMs: 0,
    }),
  );
}

interface Asked {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** Asks with whatever headers, of which `fetch` would not let some be set. */
async function ask({ port }: Server, { method = "POST", path, headers = {}, body = "" }: Asked) {
  const call = httpRequest({ host: "127.0.0.1", port, method, path, headers, agent: false });
  call.end(body);
  const [answer] = (await once(call, "response")) as [IncomingMessage];
  let text = "";
  for await (const chunk of answer) text += String(chunk);
  return { status: answer.statusCode ?? 0, headers: answer.headers, text };
}

const called = { path: getTask, headers: { ...json, ...good }, body: '{"taskId":"t1"}' };

describe("a request", () => {
  test("gets a name, or keeps its own when that may be repeated, here and behind", async () => {
    const server = await start();
    const named = await ask(server, { ...called, headers: { ...called.headers, "x-request-id": "abc-1" } });
    const strange = await ask(server, { ...called, headers: { ...called.headers, "x-request-id": "a b" } });
    expect(named.headers["x-request-id"]).toBe("abc-1");
    expect(strange.headers["x-request-id"]).toMatch(/^[\da-f-]{36}$/);
    expect(seen.map((headers) => headers.get("x-request-id"))).toEqual([
      "abc-1",
      strange.headers["x-request-id"],
    ]);
  });

  test("comes from where its peer is, whatever it says itself", async () => {
    const server = await start();
    const lies = { "x-antiphon-caller-address": "1.1.1.1", "x-forwarded-for": "2.2.2.2" };
    await ask(server, { ...called, headers: { ...called.headers, ...lies } });
    expect(seen[0]?.get("x-antiphon-caller-address")).toBe("127.0.0.1");
  });

  test("comes from where a proxy of ours says, also by way of a route", async () => {
    const server = await start({ FORWARDED_FOR_HOPS: "1" });
    const told = { "x-forwarded-for": "6.6.6.6, 2.2.2.2" };
    const form = { "content-type": "application/x-www-form-urlencoded", ...told };
    await ask(server, { ...called, headers: { ...called.headers, ...told } });
    await ask(server, { path: "/auth/token", headers: form, body: "client_id=c1&client_secret=s1" });
    const addresses = seen.map((headers) => headers.get("x-antiphon-caller-address"));
    expect(addresses).toEqual(["2.2.2.2", "2.2.2.2"]);
  });

  test("is told never to come without TLS where that is set, and to stay apart from other pages", async () => {
    const [plain, forced] = [await start(), await start({ FORCE_SSL: "true" })];
    const health = { method: "GET", path: "/healthz" };
    const { headers } = await ask(plain, health);
    expect(headers).toMatchObject({
      "cross-origin-opener-policy": "same-origin",
      "x-content-type-options": "nosniff",
      "x-frame-options": "DENY",
    });
    expect(headers["strict-transport-security"]).toBeUndefined();
    expect((await ask(forced, health)).headers["strict-transport-security"]).toMatch(/^max-age=\d+/);
  });
});

describe("a name of somebody else's", () => {
  const host = { host: "evil.example:8000" };

  test("is no way to a call, a route or a socket", async () => {
    const server = await start();
    const call = await ask(server, { ...called, headers: { ...called.headers, ...host } });
    expect([call.status, JSON.parse(call.text)]).toMatchObject([
      421,
      { code: "permission_denied", details: [{ debug: { reason: "HOST_NOT_TRUSTED" } }] },
    ]);
    const route = await ask(server, { method: "GET", path: "/.well-known/jwks.json", headers: host });
    expect([route.status, JSON.parse(route.text)]).toMatchObject([421, { reason: "HOST_NOT_TRUSTED" }]);
    const socket = new WebSocket(`ws://127.0.0.1:${server.port}/ws/t1`, { headers: host });
    await expect(once(socket, "open")).rejects.toThrow("421");
    expect(seen).toEqual([]);
  });

  test("is told to a gRPC client in its own protocol", async () => {
    const server = await start();
    const answer = await ask(server, {
      path: getTask,
      headers: { ...good, ...host, "content-type": "application/grpc-web+proto" },
    });
    expect(answer).toMatchObject({ status: 200, headers: { "grpc-status": "7" } });
  });

  test("does not keep probes out", async () => {
    const server = await start();
    expect(await ask(server, { method: "GET", path: "/healthz", headers: host })).toMatchObject({
      text: "OK",
    });
  });

  test("is ours when it is listed", async () => {
    const server = await start({ TRUSTED_HOSTS: "*.example" });
    expect((await ask(server, { ...called, headers: { ...called.headers, ...host } })).status).toBe(200);
  });

  test("leaves a socket by a name of ours alone", async () => {
    const server = await start();
    const socket = new WebSocket(`ws://127.0.0.1:${server.port}/ws/t1`, {
      headers: { "x-request-id": "ws-1" },
    });
    const [message] = (await once(socket, "message")) as [Buffer];
    expect(String(message)).toBe("ws-1");
    socket.terminate();
  });
});

describe("a page", () => {
  const preflight = (origin: string) => ({
    method: "OPTIONS",
    path: getTask,
    headers: {
      origin,
      "access-control-request-method": "POST",
      "access-control-request-headers": "authorization,content-type",
    },
  });

  test("of an origin that is listed may call, and see what it needs to", async () => {
    const server = await start({ BACKEND_CORS_ORIGINS: app });
    const asked = await ask(server, preflight(app));
    expect(asked.status).toBe(204);
    expect(asked.headers).toMatchObject({
      "access-control-allow-origin": app,
      "access-control-allow-credentials": "true",
      vary: "Origin",
    });
    const allowed = String(asked.headers["access-control-allow-headers"]).toLowerCase();
    for (const name of ["authorization", "connect-protocol-version", "x-grpc-web", "idempotency-key"]) {
      expect(allowed.split(", ")).toContain(name);
    }
    expect(asked.headers["access-control-allow-methods"]).toContain("DELETE");
    const answered = await ask(server, { ...called, headers: { ...called.headers, origin: app } });
    expect(answered.headers["access-control-allow-origin"]).toBe(app);
    expect(String(answered.headers["access-control-expose-headers"]).toLowerCase()).toContain("grpc-status");
  });

  test("of an origin that is listed calls by gRPC-web, and sees a refusal", async () => {
    const server = await start({ BACKEND_CORS_ORIGINS: app });
    const fromPage: typeof fetch = (input, init) => {
      const headers = new Headers(init?.headers);
      headers.set("origin", app);
      return fetch(input, { ...init, headers });
    };
    const transport = createGrpcWebTransport({ baseUrl: server.url, fetch: fromPage });
    const client = createClient(SchedulerService, transport);
    const { task } = await client.getTask({ taskId: "t1" }, { headers: good });
    expect(task?.taskId).toBe("t1");
    const refused = await client
      .cancelTask({ taskId: "t2" }, { headers: good })
      .catch((error: unknown) => error);
    expect(fromConnectError(refused).reason).toBe("TASK_NOT_FOUND");
  });

  test("of any origin may call where every one may, but with nothing that the browser keeps", async () => {
    const server = await start({ BACKEND_CORS_ORIGINS: "*" });
    const { status, headers } = await ask(server, preflight("null"));
    expect([status, headers["access-control-allow-origin"]]).toEqual([204, "*"]);
    expect(headers["access-control-allow-credentials"]).toBeUndefined();
  });

  test.each([{}, { BACKEND_CORS_ORIGINS: app }])(
    "of an origin that is not listed in %j may not",
    async (env) => {
      const server = await start(env);
      const asked = await ask(server, preflight(evil));
      expect([asked.status, asked.headers["access-control-allow-origin"]]).toEqual([403, undefined]);
      const read = await ask(server, { method: "GET", path: "/healthz", headers: { origin: evil } });
      expect([read.status, read.headers["access-control-allow-origin"]]).toEqual([200, undefined]);
    },
  );

  test("of an origin that is not listed changes nothing without a token", async () => {
    const server = await start();
    const form = { "content-type": "application/x-www-form-urlencoded", origin: evil };
    const body = "client_id=c1&client_secret=s1";
    const refused = await ask(server, { path: "/auth/token", headers: form, body });
    expect([refused.status, JSON.parse(refused.text)]).toMatchObject([403, { reason: "ORIGIN_NOT_TRUSTED" }]);
    expect(seen).toEqual([]);
    expect((await ask(server, { ...called, headers: { ...called.headers, origin: evil } })).status).toBe(200);
  });
});

describe("limits", () => {
  test("hold attempts at credentials by every way together, and say when to try again", async () => {
    const limit = { RATE_LIMIT_LOGINS_BURST: "2", RATE_LIMIT_LOGINS_PER_SECOND: "0.01" };
    const server = await start(limit);
    const form = { "content-type": "application/x-www-form-urlencoded" };
    const byRoute = { path: "/auth/token/", headers: form, body: "client_id=c1&client_secret=guess" };
    const byCall = { path: issueToken, headers: json, body: '{"clientId":"c1","clientSecret":"guess"}' };
    expect((await ask(server, byRoute)).status).toBe(401);
    expect((await ask(server, byCall)).status).toBe(401);
    const route = await ask(server, byRoute);
    expect([route.status, JSON.parse(route.text)]).toMatchObject([
      429,
      { error: "temporarily_unavailable", reason: "RATE_LIMITED" },
    ]);
    expect(Number(route.headers["retry-after"])).toBeGreaterThan(1);
    const call = await ask(server, byCall);
    expect([call.status, JSON.parse(call.text)]).toMatchObject([
      429,
      { details: [{ debug: { reason: "RATE_LIMITED" } }, { type: "google.rpc.RetryInfo" }] },
    ]);
    expect((await ask(server, called)).status).toBe(200);
  });

  test.each([
    ["an escaped letter", "/auth/%74oken"],
    ["an escaped letter and a slash behind it", "/auth/%74oken/"],
    ["a fragment", "/auth/token#1"],
  ])("hold attempts at credentials whose path has %s", async (_what, path) => {
    const server = await start({ RATE_LIMIT_LOGINS_BURST: "1", RATE_LIMIT_LOGINS_PER_SECOND: "0.01" });
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    const guess = { path, headers, body: "client_id=c1&client_secret=guess" };
    expect((await ask(server, guess)).status).toBe(401);
    expect((await ask(server, guess)).status).toBe(429);
  });

  test("hold attempts in the name of one client from everywhere, by every way together", async () => {
    const server = await start({
      RATE_LIMIT_CLIENT_LOGINS_BURST: "2",
      RATE_LIMIT_CLIENT_LOGINS_PER_SECOND: "0.01",
      FORWARDED_FOR_HOPS: "1",
    });
    const form = (from: string) => ({
      "content-type": "application/x-www-form-urlencoded",
      "x-forwarded-for": from,
    });
    const basic = `Basic ${Buffer.from("c1:guess").toString("base64")}`;
    const byField = {
      path: "/auth/token",
      headers: form("1.1.1.1"),
      body: "client_id=c1&client_secret=guess",
    };
    const byBasic = { path: "/auth/revoke", body: "token=t" };
    const byCall = {
      path: issueToken,
      headers: { ...json, "x-forwarded-for": "3.3.3.3" },
      body: '{"clientId":"c1","clientSecret":"s1"}',
    };
    expect((await ask(server, byField)).status).toBe(401);
    expect((await ask(server, byCall)).status).toBe(200);
    const refused = await ask(server, byCall);
    expect([refused.status, refused.text]).toEqual([429, expect.stringContaining("RATE_LIMITED")]);
    const again = await ask(server, {
      ...byBasic,
      headers: { ...form("2.2.2.2"), authorization: basic },
    });
    expect([again.status, JSON.parse(again.text)]).toMatchObject([429, { reason: "RATE_LIMITED" }]);
    expect(Number(again.headers["retry-after"])).toBeGreaterThan(1);
    const other = { ...byField, body: "client_id=c2&client_secret=s1" };
    expect((await ask(server, other)).status).toBe(200);
  });

  test("hold what is changed from one address, and not what is read", async () => {
    const server = await start({
      RATE_LIMIT_ADDRESS_CHANGES_BURST: "1",
      RATE_LIMIT_ADDRESS_CHANGES_PER_SECOND: "0.01",
      FORWARDED_FOR_HOPS: "1",
    });
    const from = (address: string) => ({ headers: { ...good, "x-forwarded-for": address } });
    const client = createClient(SchedulerService, opened.use(networkTransport({ url: server.url })));
    await client.submitTask({}, from("1.1.1.1"));
    const refused = await client.submitTask({}, from("1.1.1.1")).catch((error: unknown) => error);
    expect(fromConnectError(refused).reason).toBe("RATE_LIMITED");
    await expect(client.submitTask({}, from("2.2.2.2"))).resolves.toBeDefined();
    await expect(client.getTask({ taskId: "t1" }, from("1.1.1.1"))).resolves.toBeDefined();
  });

  test("hold what a client changes, and not what it reads", async () => {
    const server = await start({ RATE_LIMIT_CHANGES_BURST: "1", RATE_LIMIT_CHANGES_PER_SECOND: "0.01" });
    const client = createClient(SchedulerService, opened.use(networkTransport({ url: server.url })));
    await client.submitTask({}, { headers: good });
    const refused = await client.submitTask({}, { headers: good }).catch((error: unknown) => error);
    expect(fromConnectError(refused).reason).toBe("RATE_LIMITED");
    await expect(client.getTask({ taskId: "t1" }, { headers: good })).resolves.toBeDefined();
  });
});

describe("the audit log", () => {
  async function written(path: string, count: number) {
    const text = await until("it is written", async () => {
      const text = await readFile(path, "utf8").catch(() => "");
      return text.split("\n").length > count && text;
    });
    const lines = text.trimEnd().split("\n");
    return { text, lines: lines.map((line) => JSON.parse(line) as Record<string, unknown>) };
  }

  test("has a line for each change and each refused login, without their content", async () => {
    const path = join(folder.path, "changes.log");
    const server = await start({ AUDIT_LOG: path });
    const transport = opened.use(networkTransport({ url: server.url }));
    const client = createClient(SchedulerService, transport);
    const headers = { ...good, "x-request-id": "r1" };
    await client.getTask({ taskId: "t1" }, { headers });
    await client.submitTask({ labels: { note: "private" } }, { headers });
    await client.cancelTask({ taskId: "t2" }, { headers }).catch(() => undefined);
    const form = { "content-type": "application/x-www-form-urlencoded" };
    const body = "client_id=c9&client_secret=private";
    await ask(server, { path: "/auth/token", headers: form, body });
    await createClient(AuthService, transport)
      .issueToken({ clientId: "c8", clientSecret: "private" })
      .catch(() => undefined);
    await createClient(AuthService, transport).issueToken({ clientId: "c8", clientSecret: "s1" });
    const { text, lines } = await written(path, 4);
    const by = { client_id: "c1", audience: "tasks-api", request_id: "r1", address: "127.0.0.1" };
    expect(lines).toEqual([
      expect.objectContaining({
        ...by,
        action: `${SchedulerService.typeName}/SubmitTask`,
        target: { task_id: "t1", run_id: "t1" },
        outcome: "ok",
      }),
      expect.objectContaining({ ...by, target: { task_id: "t2" }, outcome: "TASK_NOT_FOUND" }),
      expect.objectContaining({ action: "POST /auth/token", outcome: "CREDENTIALS_INVALID" }),
      expect.objectContaining({ target: { client_id: "c8" }, outcome: "CREDENTIALS_INVALID" }),
    ]);
    expect(text).not.toContain("private");
  });

  test("has a line for each answer in a stream, and for what a stream uploads", async () => {
    const path = join(folder.path, "streams.log");
    const server = await start({ AUDIT_LOG: path });
    const transport = opened.use(networkTransport({ url: server.url }));
    const answers = createClient(TaskIOService, transport).attach(
      (async function* () {
        yield { request: { case: "open", value: { taskId: "t1" } } } as const;
        yield { request: { case: "answer", value: { promptId: "p1", text: "private" } } } as const;
        yield { request: { case: "answer", value: { promptId: "p2", text: "private" } } } as const;
      })(),
      { headers: good },
    );
    for await (const _ of answers) continue;
    await createClient(SchedulerService, transport).uploadFile(
      (async function* () {
        yield { part: { case: "fileName", value: "private" } } as const;
      })(),
      { headers: good },
    );
    const { text, lines } = await written(path, 3);
    expect(lines).toEqual([
      expect.objectContaining({ target: { task_id: "t1", prompt_id: "p1" }, outcome: "ok" }),
      expect.objectContaining({ target: { task_id: "t1", prompt_id: "p2" }, outcome: "PROMPT_CLOSED" }),
      expect.objectContaining({ target: { upload_id: "u1" }, outcome: "ok" }),
    ]);
    expect(text).not.toContain("private");
  });
});
