import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { create } from "@bufbuild/protobuf";
import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { SchedulerService } from "../../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { type Task, TaskSchema, TaskState } from "../../../gen/antiphon/scheduler/v1/task_pb.ts";
import { TaskIOService } from "../../../gen/antiphon/taskio/v1/taskio_service_pb.ts";
import { delay } from "../../../lib/async/delay.ts";
import { DomainError } from "../../../lib/errors/domain-error.ts";
import { logger } from "../../../lib/log/log.ts";
import { publicAccessOf } from "../../../lib/rpc/access.ts";
import type { Caller } from "../../../lib/rpc/authenticate.ts";
import { localTransport } from "../../../lib/rpc/local-transport.ts";
import { type Server, serve } from "../../../lib/rpc/serve.ts";
import { toConnectError } from "../../../lib/rpc/to-connect-error.ts";
import { aCaller } from "../../../test/support/a-caller.ts";
import { FakeTaskIO, printed, promptClosed } from "../../../test/support/fake-task-io.ts";
import { until } from "../../../test/support/until.ts";
import { refusedHandshake, WebSocketPeer } from "../../../test/support/web-socket-peer.ts";
import { type WebSocketEndpoint, webSocketEndpoint } from "./web-socket-endpoint.ts";

const log = logger("gateway", "silent");

/** Tokens that are good, and whose they are. */
const callers: Readonly<Record<string, Partial<Caller>>> = {
  good: {},
  admin: { clientId: "root", audience: "admin-api" },
  clients: { audience: "clients-api" },
  blind: { scopes: new Set(["write"]) },
  mute: { scopes: new Set(["read"]) },
};

const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });

let opened: AsyncDisposableStack;
let taskio: FakeTaskIO;
let task: Task;
let endpoint: WebSocketEndpoint;
let server: Server;
let address: string;
let acts: unknown[];
/** What came along with the last call of the scheduler. */
let passedOn: Headers;
/** What the endpoint logs as failures. */
let failures: unknown[];

/** Its latest task is the one that there is. */
const scheduleId = randomUUID();

beforeEach(async () => {
  opened = new AsyncDisposableStack();
  acts = [];
  failures = [];
  const taskId = randomUUID();
  taskio = new FakeTaskIO(taskId);
  task = create(TaskSchema, {
    taskId,
    state: TaskState.WAITING_FOR_INPUT,
    name: "chat.waldiez",
    clientId: "alice",
    createdAt: { seconds: 1_700_000_000n },
    openPrompts: [{ promptId: "p1", text: "name? " }],
  });
  const verify = async (token: string): Promise<Caller> => {
    const known = callers[token];
    if (known === undefined) throw new DomainError("TOKEN_INVALID", "the token is none of ours");
    return aCaller(known);
  };
  const behind = localTransport(
    {
      access: { ...publicAccessOf(SchedulerService), ...publicAccessOf(TaskIOService) },
      check: async () => undefined,
      routes: (router) => {
        router.service(SchedulerService, {
          getTask(request, { requestHeader }) {
            passedOn = requestHeader;
            if (request.taskId === taskId) return { task };
            throw new DomainError("TASK_NOT_FOUND", `there is no task ${request.taskId}`);
          },
          getSchedule(request) {
            if (request.scheduleId === scheduleId)
              return { schedule: { scheduleId, target: { kind: { case: "task", value: {} } } } };
            throw new DomainError("SCHEDULE_NOT_FOUND", `there is no schedule ${request.scheduleId}`);
          },
          listRuns: () => ({ runs: [{ runId: taskId }] }),
        });
        router.service(TaskIOService, taskio.service);
      },
    },
    { verify, log },
  );
  endpoint = webSocketEndpoint({
    transports: { auth: behind, scheduler: behind, taskio: behind },
    verify,
    tokenFor: () => undefined,
    conduct: {
      carryOut: async ({ action, caller }, work, about) => {
        const answer = await work();
        acts.push({ action, clientId: caller?.clientId, about: about(answer) });
        return answer;
      },
    },
    isAllowedOrigin: ({ headers: { origin } }) => origin === undefined || origin === server.url,
    log: Object.assign(logger("gateway", "silent"), { error: (fields: unknown) => failures.push(fields) }),
  });
  server = await serve({
    host: "127.0.0.1",
    port: 0,
    services: [],
    upgrade: endpoint.upgrade,
    verify,
    log,
    shutdownGraceMs: 0,
  });
  // The endpoint is over once the port has closed its sockets.
  opened.use(endpoint);
  opened.use(server);
  address = `${server.url}/ws/${taskId}`;
});

afterEach(() => opened.disposeAsync());

async function watching(
  options: ConstructorParameters<typeof WebSocketPeer>[1] = bearer("good"),
  url = address,
) {
  return await opened.use(new WebSocketPeer(url, options)).opened();
}

describe("a handshake", () => {
  test.each([
    ["the header", "", bearer("good"), ""],
    ["the query", "?access_token=good", {}, ""],
    ["the cookie", "", { headers: { cookie: 'a=b; access_token="good"' } }, ""],
    ["the protocol tasks-api", "", { protocols: ["tasks-api", "good"] }, "tasks-api"],
    ["the protocol task-api", "", { protocols: ["task-api", "good"] }, "task-api"],
    ["the first that is good", "?access_token=stale", { protocols: ["tasks-api", "good"] }, "tasks-api"],
    ["an admin's", "", bearer("admin"), ""],
  ])("is accepted by the token in %s", async (_place, query, options, protocol) => {
    const peer = await watching(options, address + query);
    expect(peer.socket.protocol).toBe(protocol);
    const [status] = await peer.heard(1, "status");
    expect(status).toEqual({
      type: "status",
      timestamp: expect.any(Number),
      data: {
        task_id: taskio.taskId,
        status: "WAITING_FOR_INPUT",
        created_at: "2023-11-14T22:13:20.000Z",
        updated_at: "2023-11-14T22:13:20.000Z",
        results: null,
        input_request_id: "p1",
      },
    });
  });

  test("is accepted with a slash behind the id, and for an id without dashes", async () => {
    await watching(bearer("good"), `${address}/`);
    await watching(bearer("good"), `${server.url}/ws/${taskio.taskId.replaceAll("-", "")}`);
    expect(taskio.watching).toBe(2);
  });

  test("tells the services behind where it came from, its name and its trace", async () => {
    const told = {
      "x-antiphon-caller-address": "192.0.2.7",
      "x-request-id": "mine-1",
      traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    };
    await watching({ headers: told }, `${address}?access_token=good`);
    expect(Object.fromEntries(passedOn)).toMatchObject({ ...told, authorization: "Bearer good" });
  });

  test("takes a cookie only from pages of this server", async () => {
    const cookie = "access_token=good";
    await watching({ headers: { cookie, origin: server.url } });
    const refused = await refusedHandshake(address, { headers: { cookie, origin: "https://evil.example" } });
    expect(refused).toMatchObject({ status: 403, body: { reason: "TOKEN_MISSING" } });
  });

  test.each([
    ["no token", {}, "TOKEN_MISSING"],
    ["a token that is none", bearer("stale"), "TOKEN_INVALID"],
    ["a token for something else", bearer("clients"), "WRONG_AUDIENCE"],
    ["a token that may not look", bearer("blind"), "MISSING_SCOPE"],
  ])("with %s is refused with 403 and a reason", async (_what, options, reason) => {
    const refused = await refusedHandshake(address, options);
    expect(refused).toMatchObject({ status: 403, body: { detail: expect.any(String), reason } });
  });

  test("for a task that is not there, or no id, is refused with 403", async () => {
    for (const id of [randomUUID(), "nonsense"]) {
      const refused = await refusedHandshake(`${server.url}/ws/${id}`, bearer("good"));
      expect(refused).toMatchObject({ status: 403, body: { reason: "TASK_NOT_FOUND" } });
    }
  });

  test.each([[TaskState.COMPLETED], [TaskState.FAILED], [TaskState.CANCELLED]])(
    "for a task that has ended (%i) is refused with 403",
    async (state) => {
      task.state = state;
      expect(await refusedHandshake(address, bearer("good"))).toMatchObject({ status: 403 });
      expect(taskio.opened).toEqual([]);
    },
  );

  test("for a scheduled task is for the one that was started last, under the schedule's id", async () => {
    const peer = await watching(bearer("good"), `${server.url}/ws/${scheduleId}`);
    taskio.say(printed("one\n"));
    const [print] = await peer.heard(1, "print");
    expect(print).toMatchObject({ data: "one\n", task_id: scheduleId });
    task.state = TaskState.COMPLETED;
    const refused = await refusedHandshake(`${server.url}/ws/${scheduleId}`, bearer("good"));
    expect(refused.status).toBe(403);
  });

  test("with a place that is none is refused with 403", async () => {
    const refused = await refusedHandshake(`${address}?after=2-17`, bearer("good"));
    expect(refused).toMatchObject({ status: 403, body: { reason: "FIELD_INVALID" } });
  });

  test("for another path is refused with 404", async () => {
    const refused = await refusedHandshake(`${server.url}/elsewhere`, bearer("good"));
    expect(refused).toMatchObject({ status: 404, body: { reason: "ROUTE_NOT_FOUND" } });
  });

  test("is refused when too many sockets watch the task, until one of them is closed", async () => {
    const peers = await Promise.all(Array.from({ length: 50 }, async () => await watching()));
    expect(await refusedHandshake(address, bearer("good"))).toMatchObject({
      status: 403,
      body: { reason: "TOO_MANY_CALLS" },
    });
    peers[0]?.socket.close();
    await until("a place is free", async () => {
      const peer = opened.use(new WebSocketPeer(address, bearer("good")));
      return await peer.opened().then(
        () => true,
        () => false,
      );
    });
  });

  test("that is none is answered with 400, and nothing of it is left", async () => {
    const socket = connect(server.port, "127.0.0.1");
    socket.write(
      [
        `GET /ws/${taskio.taskId} HTTP/1.1`,
        "Host: localhost",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Authorization: Bearer good",
        "",
        "",
      ].join("\r\n"),
    );
    expect(await text(socket)).toMatch(/^HTTP\/1.1 400 /);
    await until("the watch is over", () => taskio.watching === 0);
  });
});

describe("a socket", () => {
  test("hears the whole history and what comes then, line by line, and is closed when the task ends", async () => {
    taskio.say(printed("one\ntwo\n"), { case: "prompt", value: { promptId: "p1", text: "name? " } });
    const peer = await watching();
    await peer.heard(3, "print", "input_request");
    taskio.say(printed("thr"), printed("ee\n"));
    taskio.end();
    expect(await peer.closed).toEqual({ code: 1000, reason: "the task has ended" });
    expect(peer.frames.map(({ type, data }) => (type === "status" ? type : data))).toEqual([
      "status",
      "one\n",
      "two\n",
      "name? ",
      "three\n",
      `Copying the results to ${taskio.taskId}/waldiez_out\n`,
    ]);
  });

  test("hears a line that does not end, such as a question without a prompt", async () => {
    const peer = await watching();
    taskio.say(printed("your name: "));
    expect((await peer.heard(1, "print"))[0]?.data).toBe("your name: ");
  });

  test("hears nothing of kept results when the task failed", async () => {
    const peer = await watching();
    taskio.end(TaskState.FAILED);
    await peer.closed;
    expect(peer.frames.map(({ type }) => type)).toEqual(["status"]);
  });

  test("goes on behind the last frame that it names", async () => {
    taskio.say(printed("one\ntwo\n"), printed("three\n"));
    const before = await watching();
    const [first] = await before.heard(3, "print");
    const peer = await watching(bearer("good"), `${address}?after=${first?.id}`);
    taskio.end(TaskState.FAILED);
    await peer.closed;
    expect(peer.frames.slice(1).map(({ data }) => data)).toEqual(["two\n", "three\n"]);
  });

  test("hears each line once when the way to the transcript breaks", async () => {
    taskio.say(printed("one\nbegun "));
    const peer = await watching();
    await peer.heard(2, "print");
    taskio.interrupt(new DomainError("WATCHER_TOO_SLOW", "too slow"));
    taskio.say(printed("and ended\n"));
    taskio.end(TaskState.FAILED);
    await peer.closed;
    expect(peer.frames.slice(1).map(({ data }) => data)).toEqual(["one\n", "begun ", "and ended\n"]);
    expect(taskio.opened).toEqual(["", "1-1"]);
  });

  test.each([
    ["TOKEN_EXPIRED", 4401],
    ["TOKEN_REVOKED", 4401],
    ["TASK_NOT_FOUND", 1000],
    ["MISSING_SCOPE", 1008],
  ] as const)("is closed when its stream ends with %s", async (reason, code) => {
    const peer = await watching();
    taskio.interrupt(new DomainError(reason, "no more"));
    expect(await peer.closed).toMatchObject({ code });
  });

  test("is closed with 1001 when the server stops", async () => {
    const peer = await watching();
    await server[Symbol.asyncDispose]();
    expect(await peer.closed).toMatchObject({ code: 1001 });
  });

  test("that takes nothing holds up its own stream and nobody else's, and misses nothing", async () => {
    const chunk = `${"x".repeat(1_023)}\n`.repeat(64);
    const chunks = 600;
    const [slow, quick] = [await watching(), await watching()];
    slow.socket.pause();
    for (let count = 0; count < chunks; count += 1) taskio.say(printed(chunk));
    await quick.heard(64 * chunks, "print");
    let before = -1;
    await until("it is held up", async () => {
      const isSame = taskio.given[0] === before;
      before = taskio.given[0] ?? 0;
      await delay(200);
      return isSame && taskio.given[0] === before;
    });
    expect(before).toBeLessThan(chunks);
    taskio.end(TaskState.FAILED);
    slow.socket.resume();
    await slow.closed;
    const heard = slow.frames.filter(({ type }) => type === "print");
    expect(heard).toHaveLength(64 * chunks);
    expect(new Set(heard.map(({ id }) => id)).size).toBe(64 * chunks);
  }, 120_000);

  test("has its latest ping answered, however many it sends without reading", async () => {
    const peer = await watching();
    const pongs: string[] = [];
    peer.socket.on("pong", (data) => pongs.push(data.toString()));
    peer.socket.pause();
    for (let count = 0; count < 20_000; count += 1) peer.socket.ping(String(count));
    peer.socket.resume();
    await until("the latest is answered", () => pongs.at(-1) === "19999");
    expect(new Set(pongs).size).toBe(pongs.length);
  });

  test("that goes away ends its watch", async () => {
    const peer = await watching();
    expect(taskio.watching).toBe(1);
    peer.socket.terminate();
    await until("the watch is over", () => taskio.watching === 0);
  });
});

describe("an answer", () => {
  test("is handed on, and its sender hears of it by the transcript alone", async () => {
    const peer = await watching();
    peer.send({ request_id: "p1", data: "Ada", extra: 1 });
    await until("the answer is there", () => taskio.answers.length === 1);
    expect(taskio.answers[0]).toMatchObject({ taskId: taskio.taskId, promptId: "p1", text: "Ada" });
    expect(taskio.answers[0]?.requestId).not.toBe("");
    expect(peer.frames.filter(({ error }) => error !== undefined)).toEqual([]);
    const about = [{ taskId: taskio.taskId, promptId: "p1" }];
    expect(acts).toEqual([{ action: "WS /ws/:task_id", clientId: "alice", about }]);
  });

  test("is handed on when its sender closes at once", async () => {
    for (let round = 0; round < 20; round += 1) {
      const peer = await watching();
      peer.send({ request_id: "p1", data: String(round) });
      peer.socket.close();
      await peer.closed;
      await until("the answer is there", () => taskio.answers.at(-1)?.text === String(round));
    }
    expect(taskio.answers).toHaveLength(20);
  });

  test("that is refused is told with the reason", async () => {
    taskio.refusals.push(promptClosed());
    const peer = await watching();
    peer.send({ request_id: "p1", data: "late" });
    const frames = await peer.heard(2);
    expect(frames[1]).toEqual({
      error: "the prompt p1 is closed",
      reason: "PROMPT_CLOSED",
      request_id: "p1",
    });
  });

  test("without text is one, however clients of the Waldiez runner write that", async () => {
    const peer = await watching();
    for (const data of ["", "\n", '""', "''", "/\n"]) peer.send({ request_id: "p1", data });
    await until("the answers are there", () => taskio.answers.length === 5);
    expect(taskio.answers.map(({ text }) => text)).toEqual(["", "", "", "", ""]);
  });

  test("by a token that may only look is refused, and the socket lives on", async () => {
    const peer = await watching(bearer("mute"));
    peer.send({ request_id: "p1", data: "Ada" });
    expect((await peer.heard(2))[1]).toMatchObject({ reason: "MISSING_SCOPE" });
    taskio.say(printed("on\n"));
    await peer.heard(1, "print");
    expect(taskio.answers).toEqual([]);
  });

  test("that meets a defect is told so without its text, and the defect is logged", async () => {
    taskio.refusals.push(new TypeError("private"));
    const peer = await watching();
    peer.send({ request_id: "p1", data: "Ada" });
    expect((await peer.heard(2))[1]).toEqual({
      error: "An unexpected error occurred.",
      request_id: "p1",
    });
    expect(failures).toEqual([expect.objectContaining({ err: expect.anything() })]);
  });

  test("is repeated under the same name while nobody answers", async () => {
    taskio.refusals.push(toConnectError(new DomainError("SERVICE_UNAVAILABLE", "away")));
    const peer = await watching();
    peer.send({ request_id: "p1", data: "Ada" });
    await until("the answer is there", () => taskio.answers.length === 1);
    expect(taskio.refusals).toEqual([]);
  });

  test("that is none is told, and the socket lives on", async () => {
    const peer = await watching();
    const wrong = ["{", "", "[]", "null", "5", '{"data":"x"}', '{"request_id":1,"data":"x"}'];
    for (const message of wrong) peer.send(message);
    const frames = await peer.heard(1 + wrong.length);
    expect(frames.slice(1)).toEqual(wrong.map(() => ({ error: "Invalid input payload" })));
    peer.send({ request_id: "p1", data: "Ada" });
    await until("the answer is there", () => taskio.answers.length === 1);
  });

  test("that is too long closes the socket with 1009", async () => {
    const peer = await watching();
    peer.send({ request_id: "p1", data: "x".repeat(200_000) });
    expect(await peer.closed).toMatchObject({ code: 1009 });
  });

  test("may be anything: no bytes of a peer break the server", async () => {
    const property = fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 200 }), async (bytes) => {
      const peer = await watching();
      // Past the client's own framing.
      (peer.socket as unknown as { _socket: { write: (bytes: Uint8Array) => void } })._socket.write(bytes);
      peer.socket.close();
      setTimeout(() => peer.socket.terminate(), 50).unref();
      await peer.closed;
    });
    await fc.assert(property, { numRuns: 50 });
    await until("no watch is left", () => taskio.watching === 0);
    const peer = await watching();
    expect(await peer.heard(1, "status")).toHaveLength(1);
  });

  test("is waited for when the endpoint is disposed of", async () => {
    const peer = await watching();
    peer.send({ request_id: "p1", data: "last" });
    peer.socket.close();
    await once(peer.socket, "close");
    await server[Symbol.asyncDispose]();
    await endpoint[Symbol.asyncDispose]();
    expect(taskio.answers.map(({ text }) => text)).toEqual(["last"]);
  });
});
