import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { createRouterTransport } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { delay } from "../../../lib/async/delay.ts";
import { DomainError } from "../../../lib/errors/domain-error.ts";
import { logger } from "../../../lib/log/log.ts";
import { serve } from "../../../lib/rpc/serve.ts";
import { aCaller } from "../../../test/support/a-caller.ts";
import { until } from "../../../test/support/until.ts";
import { httpApp } from "./http-app.ts";
import { HttpRefusal } from "./http-refusal.ts";
import { type HttpCall, type HttpRoute, httpRoute } from "./route.ts";

const log = logger("gateway", "silent");
const opened = new AsyncDisposableStack();
const limits = { fileBytes: 1_000, files: 1, fieldBytes: 20, fields: 2 };
const responses = { 200: { description: "Done." } };
const formType = "application/x-www-form-urlencoded";
const look = { audiences: ["tasks-api"], scope: "read" } as const;

/** For two large bodies, of one client each. */
const maxHeldBytes = 400_000;
const large = JSON.stringify({ pad: "a".repeat(199_000) });
const pausing = JSON.stringify({ pad: "a".repeat(199_000), pauses: true });

/** What goes on with the call of each client that pauses. */
const paused = new Map<string, () => void>();

let url: string;
let hungUp = 0;

beforeAll(async () => {
  const transport = createRouterTransport(() => undefined);
  const app = httpApp({
    routes: routes(),
    transports: { auth: transport, scheduler: transport, taskio: transport },
    verify: async (token) => {
      if (token === "good") return aCaller();
      if (token === "bob" || token === "carol") return aCaller({ clientId: token });
      if (token === "other") return aCaller({ audience: "clients-api" });
      if (token === "weak") return aCaller({ scopes: new Set() });
      throw new DomainError("TOKEN_INVALID", "the token is not one of this installation");
    },
    tokenFor: () => undefined,
    maxHeldBytes,
    log,
  });
  const verify = async () => aCaller();
  const server = await serve({ host: "127.0.0.1", port: 0, services: [], fallback: app, verify, log });
  opened.use(server);
  url = server.url;
});

afterAll(() => opened.disposeAsync());

describe("httpApp", () => {
  test("admits a caller by its header, and refuses others in the route's style", async () => {
    const answers = await Promise.all([
      fetch(`${url}/waldiez/7`, { headers: bearing("good") }),
      fetch(`${url}/waldiez/7`),
      fetch(`${url}/waldiez/7`, { headers: bearing("forged") }),
      fetch(`${url}/waldiez/7`, { headers: bearing("other") }),
      fetch(`${url}/waldiez/7`, { headers: bearing("weak") }),
      fetch(`${url}/problem`, { method: "POST", headers: bearing("other") }),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([200, 401, 401, 401, 403, 403]);
    const [, none, forged, other, , problem] = await Promise.all(answers.map((answer) => answer.json()));
    expect(none).toEqual({ detail: "Not authenticated", reason: "TOKEN_MISSING" });
    expect(forged).toEqual({ detail: "Invalid credentials.", reason: "TOKEN_INVALID" });
    expect(other).toEqual({ detail: "Invalid credentials.", reason: "WRONG_AUDIENCE" });
    expect(problem).toMatchObject({ status: 403, reason: "WRONG_AUDIENCE", title: "Wrong audience" });
    expect(answers[1]?.headers.get("www-authenticate")).toBe("Bearer");
    expect(answers[5]?.headers.get("content-type")).toBe("application/problem+json");
  });

  test("refuses who may not call before anything of the body is read", async () => {
    const { port } = new URL(url);
    const socket = connect(Number(port), "127.0.0.1");
    let answer = "";
    socket.setEncoding("utf8").on("data", (text: string) => {
      answer += text;
    });
    socket.write(
      "POST /problem HTTP/1.1\r\nhost: x\r\ncontent-length: 50000\r\ncontent-type: application/json\r\n\r\n{",
    );
    await until("the refusal comes", () => answer.includes("TOKEN_MISSING"));
    expect(answer).toContain("401");
    socket.destroy();
  });

  test("gives parameters, queries and bodies as the schemas want them, with a slash behind the path too", async () => {
    const answer = await fetch(`${url}/waldiez/7/?ids=a&ids=b`, { headers: bearing("good") });
    expect(await answer.json()).toEqual({ params: { id: 7 }, query: { ids: ["a", "b"] } });
    const sent = await fetch(`${url}/problem`, {
      method: "POST",
      headers: bearing("good"),
      ...json({ name: "x" }),
    });
    expect(await sent.json()).toEqual({ name: "x" });
    const body = new URLSearchParams({ name: "y" });
    const form = await fetch(`${url}/problem`, { method: "POST", headers: bearing("good"), body });
    expect(await form.json()).toEqual({ name: "y" });
  });

  test("answers what does not fit a schema with every fault, and repeats nothing of a body", async () => {
    const answer = await fetch(`${url}/waldiez/x?ids=${"a".repeat(9)}`, { headers: bearing("good") });
    expect([answer.status, await answer.json()]).toEqual([
      422,
      {
        detail: [
          { type: "invalid_type", loc: ["path", "id"], msg: expect.any(String), input: "x" },
          { type: "too_big", loc: ["query", "ids"], msg: expect.any(String), input: "aaaaaaaaa" },
        ],
        reason: "FIELD_INVALID",
      },
    ]);
    const secret = { name: 5, password: "hunter2" };
    const refused = await fetch(`${url}/problem`, {
      method: "POST",
      headers: bearing("good"),
      ...json(secret),
    });
    const text = await refused.text();
    expect(refused.status).toBe(422);
    expect(JSON.parse(text)).toMatchObject({ errors: [{ path: "body.name", reason: "invalid_type" }] });
    expect(text).not.toContain("hunter2");
  });

  test("lists the first faults of a body that is full of them", async () => {
    const headers = { ...bearing("good"), "content-type": "application/json" };
    const body = JSON.stringify({ name: "x", tags: Array(5_000).fill(0) });
    const answer = await fetch(`${url}/problem`, { method: "POST", headers, body });
    expect([answer.status, await answer.json()]).toMatchObject([422, { errors: { length: 100 } }]);
  });

  test.each([
    ["no JSON", 422, { headers: { "content-type": "application/json" }, body: "{" }],
    ["no UTF-8", 422, { headers: { "content-type": "application/json" }, body: new Uint8Array([0xff]) }],
    ["of an unknown kind", 415, { headers: { "content-type": "text/csv" }, body: "a,b" }],
    ["a multipart form where none is taken", 415, { body: new FormData() }],
    ["too large", 413, { headers: { "content-type": "application/json" }, body: " ".repeat(70_000) }],
    [
      "too deep",
      422,
      {
        headers: { "content-type": "application/json" },
        body: `{"name":"x","more":${"[".repeat(9_000)}${"]".repeat(9_000)}}`,
      },
    ],
    ["a form of too many fields", 413, { headers: { "content-type": formType }, body: "a&".repeat(3_000) }],
  ])("refuses a body that is %s with %i", async (_, status, { headers = {}, body }: SentBody) => {
    const all = { ...bearing("good"), ...headers };
    const answer = await fetch(`${url}/problem`, { method: "POST", headers: all, body });
    expect([answer.status, (await answer.json()) as object]).toMatchObject([status, { status }]);
  });

  test("tells a defect without its text, and a refusal of HTTP's own as it is", async () => {
    const defect = await fetch(`${url}/fail/defect`);
    expect([defect.status, await defect.json()]).toEqual([500, { detail: "An unexpected error occurred." }]);
    const refused = await fetch(`${url}/fail/refusal`);
    expect([refused.status, await refused.json()]).toEqual([400, { detail: "so it is" }]);
    const missing = await fetch(`${url}/fail/missing`);
    expect([missing.status, await missing.json()]).toEqual([
      404,
      { detail: "there is no task t1", reason: "TASK_NOT_FOUND" },
    ]);
    const away = await fetch(`${url}/fail/away`);
    expect([away.status, away.headers.get("retry-after")]).toEqual([503, "1"]);
  });

  test("names each request, as its caller did where that is well-formed", async () => {
    const named = await fetch(`${url}/fail/refusal`, { headers: { "x-request-id": "mine-1" } });
    expect(named.headers.get("x-request-id")).toBe("mine-1");
    const badly = await fetch(`${url}/nothing`, { headers: { "x-request-id": "<script>" } });
    expect(badly.headers.get("x-request-id")).toMatch(/^[\w-]{36}$/);
  });

  test("answers 404 where nothing is, and 405 with what there is where the method is another", async () => {
    expect((await fetch(`${url}/nothing`)).status).toBe(404);
    const wrong = await fetch(`${url}/problem`, { method: "DELETE" });
    expect([wrong.status, wrong.headers.get("allow")]).toEqual([405, "POST"]);
    const head = await fetch(`${url}/waldiez/7`, { method: "HEAD", headers: bearing("good") });
    expect([head.status, await head.text(), Number(head.headers.get("content-length")) > 10]).toEqual([
      200,
      "",
      true,
    ]);
  });

  test("survives a path that is no UTF-8 and one that is very long", async () => {
    expect((await fetch(`${url}/waldiez/%ff`, { headers: bearing("good") })).status).toBeGreaterThanOrEqual(
      400,
    );
    expect((await fetch(`${url}/waldiez/${"1".repeat(5_000)}`)).status).toBeGreaterThanOrEqual(400);
    expect((await fetch(`${url}/waldiez/7`, { headers: bearing("good") })).status).toBe(200);
  });

  test("reads the parts of a form as they come", async () => {
    const form = new FormData();
    form.append("note", "hello");
    form.append("file", new Blob(["a".repeat(1_000)]), "../../etc/passwd");
    expect(await sent(form)).toEqual([200, [{ note: "hello" }, { file: "passwd", bytes: 1_000 }]]);
  });

  test("refuses a form whose file, fields or parts are over a limit", async () => {
    const large = new FormData();
    large.append("file", new Blob(["a".repeat(1_001)]), "f");
    expect((await sent(large))[0]).toBe(413);
    const long = new FormData();
    long.append("note", "a".repeat(21));
    expect((await sent(long))[0]).toBe(413);
    const many = new FormData();
    for (const name of ["a", "b", "c"]) many.append(name, "1");
    expect((await sent(many))[0]).toBe(413);
    const files = new FormData();
    for (const name of ["a", "b"]) files.append(name, new Blob(["1"]), "f");
    expect((await sent(files))[0]).toBe(413);
  });

  test("refuses a form that is too large as a whole, whether its length is told before or not", async () => {
    const form = new FormData();
    form.append("note", "a");
    form.append("skipped", new Blob(["a".repeat(3_000)]), "f");
    expect((await sent(form))[0]).toBe(413);
    const chunks = new ReadableStream({
      start(controller) {
        const head = '--b\r\ncontent-disposition: form-data; name="file"; filename="f"\r\n\r\n';
        controller.enqueue(Buffer.from(`${head}${"a".repeat(900)}`));
        controller.enqueue(Buffer.from(`\r\n--b\r\n${"x: y\r\n".repeat(500)}`));
        controller.close();
      },
    });
    const headers = { ...bearing("good"), "content-type": "multipart/form-data; boundary=b" };
    const options = { method: "POST", headers, body: chunks, duplex: "half" } as const;
    expect((await fetch(`${url}/upload`, options)).status).toBe(413);
  });

  test.each([
    "",
    "--b",
    "--b\r\n\r\n",
    '--b\r\ncontent-disposition: form-data; name="file"; filename="f"\r\n\r\nhalf',
  ])("refuses the broken form %j", async (body) => {
    const headers = { ...bearing("good"), "content-type": "multipart/form-data; boundary=b" };
    const answer = await fetch(`${url}/upload`, { method: "POST", headers, body });
    expect(answer.status).toBe(400);
  });

  test("ends what a route does when its caller hangs up in the middle of a form", async () => {
    hungUp = 0;
    fileBegan = false;
    const { port } = new URL(url);
    const socket = connect(Number(port), "127.0.0.1");
    const head =
      "POST /upload HTTP/1.1\r\nhost: x\r\nauthorization: Bearer good\r\ncontent-length: 900\r\n" +
      "content-type: multipart/form-data; boundary=b\r\n\r\n";
    socket.write(
      `${head}--b\r\ncontent-disposition: form-data; name="file"; filename="f"\r\n\r\n${"half".repeat(50)}`,
    );
    await until("the file has begun", () => hungUp === 0 && fileBegan);
    socket.destroy();
    await until("the route ends", () => hungUp === 1);
    expect(hungUp).toBe(1);
  });

  test("cuts a caller off that takes nothing of what comes over HTTP/1.1", async () => {
    const ended = endedPieces;
    const { port } = new URL(url);
    const socket = connect(Number(port), "127.0.0.1").pause();
    socket.on("error", () => undefined);
    socket.write("GET /endless HTTP/1.1\r\nhost: x\r\n\r\n");
    await until("it is cut off", () => endedPieces > ended);
    expect(endedPieces).toBe(ended + 1);
    socket.destroy();
  });

  test("cuts a caller off that takes nothing of what comes over HTTP/2, and only that stream", async () => {
    const ended = endedPieces;
    const session = connectHttp2(url);
    session.on("error", () => undefined);
    const stalled = session.request({ ":path": "/endless" }).pause();
    let isReset = false;
    stalled.on("error", () => undefined).once("close", () => (isReset = true));
    await until("it is cut off", () => endedPieces > ended);
    stalled.resume();
    await until("its stream is reset", () => isReset);
    const other = session.request({ ":path": "/seldom" });
    expect(await text(other)).toBe("onetwo");
    session.destroy();
  });

  test("refuses large bodies while others of the client, or of all, are worked on, and no longer", async () => {
    const alice = post("good", pausing);
    await until("alice's is worked on", () => paused.has("alice"));
    const half = await post("good", large);
    expect([half.status, half.headers.get("retry-after")]).toEqual([429, "2"]);
    expect(await half.json()).toMatchObject({ reason: "TOO_MANY_CALLS" });
    const hangUp = new AbortController();
    const bob = post("bob", pausing, hangUp.signal).catch(() => undefined);
    await until("bob's is worked on", () => paused.has("bob"));
    const full = await post("carol", large);
    expect([full.status, full.headers.get("retry-after")]).toEqual([503, "2"]);
    expect(await full.json()).toMatchObject({ reason: "SERVICE_UNAVAILABLE" });
    // What is small is read all the same.
    expect((await post("carol", "{}")).status).toBe(200);
    hangUp.abort();
    await until("there is room again", async () => (await post("carol", large)).status === 200);
    paused.get("alice")?.();
    expect((await alice).status).toBe(200);
    expect((await post("good", large)).status).toBe(200);
    expect(await bob).toBeUndefined();
  });

  test.each([
    ["declared length", `content-length: ${large.length}`, '{"pad":"'],
    ["no length", "transfer-encoding: chunked", `${(70_000).toString(16)}\r\n${"a".repeat(70_000)}`],
  ])("holds nothing for callers that hang up in the middle of a body of %s", async (_, length, beginning) => {
    const { port } = new URL(url);
    for (let count = 0; count < 20; count += 1) {
      const socket = connect(Number(port), "127.0.0.1").on("error", () => undefined);
      const head = `POST /large HTTP/1.1\r\nhost: x\r\nauthorization: Bearer good\r\n${length}`;
      socket.write(`${head}\r\ncontent-type: application/json\r\n\r\n${beginning}`);
      // The server has most likely begun to read by the time that this is answered.
      expect((await post("good", "{}")).status).toBe(200);
      socket.destroy();
    }
    await until("there is room", async () => (await post("good", large)).status === 200);
  });

  test("leaves a caller alone that takes what comes, however seldom that is", async () => {
    const answer = await fetch(`${url}/seldom`);
    expect(await answer.text()).toBe("onetwo");
  });
});

/** How many bodies without an end were ended. */
let endedPieces = 0;

async function* endlessPieces(): AsyncGenerator<Uint8Array> {
  try {
    for (;;) yield Buffer.alloc(64 * 1024);
  } finally {
    endedPieces += 1;
  }
}

async function* seldomPieces(): AsyncGenerator<Uint8Array> {
  yield Buffer.from("one");
  await delay(200);
  yield Buffer.from("two");
}

let fileBegan = false;

interface SentBody {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array<ArrayBuffer> | FormData;
}

function routes(): HttpRoute[] {
  const common = { tag: "t", summary: "s", responses };
  return [
    httpRoute({
      ...common,
      method: "GET",
      path: "/waldiez/:id",
      access: look,
      style: "waldiez",
      params: z.object({ id: z.coerce.number().int() }),
      query: z.object({ ids: z.union([z.array(z.string()), z.string().max(8)]).optional() }),
      handle: async ({ params, query }) => ({ status: 200, body: { params, query } }),
    }),
    httpRoute({
      ...common,
      method: "POST",
      path: "/problem",
      access: look,
      style: "problem",
      body: {
        kinds: ["json", "form"],
        schema: z.object({ name: z.string(), tags: z.array(z.string()).optional() }),
      },
      handle: async ({ body }) => ({ status: 200, body }),
    }),
    httpRoute({
      ...common,
      method: "GET",
      path: "/fail/:how",
      access: "open",
      style: "waldiez",
      params: z.object({ how: z.string() }),
      handle: async ({ params: { how } }) => {
        if (how === "refusal") throw new HttpRefusal(400, "so it is");
        if (how === "missing") throw new DomainError("TASK_NOT_FOUND", "there is no task t1");
        if (how === "away") throw new DomainError("SERVICE_UNAVAILABLE", "away");
        throw new Error("the database's password is hunter2");
      },
    }),
    ...[endlessPieces, seldomPieces].map((pieces) =>
      httpRoute({
        ...common,
        method: "GET",
        path: pieces === endlessPieces ? "/endless" : "/seldom",
        access: "open",
        style: "problem",
        handle: async () => ({ status: 200, body: pieces(), stalledAfterMs: 50 }),
      }),
    ),
    httpRoute({
      ...common,
      method: "POST",
      path: "/large",
      access: look,
      style: "problem",
      body: { kinds: ["json"], schema: z.looseObject({}), maxBytes: 200_000 },
      handle: async ({ body, caller, signal }) => {
        if (!("pauses" in body)) return { status: 200 };
        await new Promise<void>((resolve) => {
          signal.addEventListener("abort", () => resolve(), { once: true });
          paused.set(caller?.clientId ?? "", resolve);
        });
        return { status: 200 };
      },
    }),
    httpRoute({
      ...common,
      method: "POST",
      path: "/upload",
      access: look,
      style: "waldiez",
      body: { kinds: ["multipart"], schema: z.unknown(), maxBytes: 2_000 },
      handle: async (call) => ({ status: 200, body: await partsRead(call) }),
    }),
  ];
}

async function partsRead({ parts }: Pick<HttpCall, "parts">): Promise<object[]> {
  const read: object[] = [];
  try {
    for await (const part of parts(limits)) {
      if (part.kind === "field") {
        read.push({ [part.name]: part.value });
        continue;
      }
      let bytes = 0;
      for await (const chunk of part.content) {
        bytes += chunk.length;
        fileBegan = true;
      }
      read.push({ file: part.fileName, bytes });
    }
  } catch (error) {
    if (error instanceof HttpRefusal && error.message.includes("not complete")) hungUp += 1;
    throw error;
  }
  return read;
}

async function post(token: string, body: string, signal?: AbortSignal): Promise<Response> {
  const headers = { ...bearing(token), "content-type": "application/json" };
  return await fetch(`${url}/large`, { method: "POST", headers, body, ...(signal && { signal }) });
}

async function sent(body: FormData): Promise<[number, unknown]> {
  hungUp = 0;
  fileBegan = false;
  const answer = await fetch(`${url}/upload`, { method: "POST", headers: bearing("good"), body });
  return [answer.status, await answer.json()];
}

function bearing(token: string): Record<string, string> {
  return { authorization: `Bearer ${token}` };
}

function json(value: object): { headers?: never; body: Blob } {
  return { body: new Blob([JSON.stringify(value)], { type: "application/json" }) };
}
