import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { SchedulerService } from "../../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { TaskState } from "../../../gen/antiphon/scheduler/v1/task_pb.ts";
import { TaskIOService } from "../../../gen/antiphon/taskio/v1/taskio_service_pb.ts";
import { DomainError } from "../../../lib/errors/domain-error.ts";
import { logger } from "../../../lib/log/log.ts";
import { publicAccessOf } from "../../../lib/rpc/access.ts";
import { localTransport } from "../../../lib/rpc/local-transport.ts";
import { serve } from "../../../lib/rpc/serve.ts";
import { aCaller } from "../../../test/support/a-caller.ts";
import { FakeTaskIO, printed, recordedAt } from "../../../test/support/fake-task-io.ts";
import { until } from "../../../test/support/until.ts";
import { httpApp } from "../http/http-app.ts";
import { eventRoutes } from "./event-routes.ts";

const log = logger("gateway", "silent");
const verify = async () => aCaller();
const taskId = "01234567-89ab-4cde-8f01-23456789abcd";
const scheduleId = "11234567-89ab-4cde-8f01-23456789abcd";
/** What the schedule started before. */
const earlierId = "31234567-89ab-4cde-8f01-23456789abcd";

let opened: AsyncDisposableStack;
let taskio: FakeTaskIO;
let url: string;
/** Whether the schedule has started the task. */
let hasFired: boolean;

beforeEach(async () => {
  opened = new AsyncDisposableStack();
  taskio = new FakeTaskIO(taskId);
  hasFired = true;
  const behind = localTransport(
    {
      access: { ...publicAccessOf(TaskIOService), ...publicAccessOf(SchedulerService) },
      check: async () => undefined,
      routes: (router) => {
        router.service(TaskIOService, {
          ...taskio.service,
          watch(request, context) {
            if (request.tasks[0]?.taskId !== taskId) throw noSuchTask();
            if (taskio.service.watch === undefined) throw new TypeError("the fake watches nothing");
            return taskio.service.watch(request, context);
          },
        });
        router.service(SchedulerService, {
          getTask(request) {
            if (request.taskId !== taskId) throw noSuchTask();
            return { task: { taskId, runId: taskId } };
          },
          getSchedule(request) {
            if (request.scheduleId !== scheduleId) throw noSuchSchedule();
            return { schedule: { scheduleId, target: { kind: { case: "task", value: {} } } } };
          },
          listRuns: () => ({ runs: hasFired ? [{ runId: taskId }] : [] }),
        });
      },
    },
    { verify, log },
  );
  const transports = { auth: behind, scheduler: behind, taskio: behind };
  const fallback = httpApp({ routes: eventRoutes(), transports, verify, tokenFor: () => undefined, log });
  const server = await serve({
    host: "127.0.0.1",
    port: 0,
    services: [],
    fallback,
    verify,
    log,
    shutdownGraceMs: 0,
  });
  opened.use(server);
  url = `${server.url}/api/v1/tasks/${taskId}/events`;
});

afterEach(() => opened.disposeAsync());

const noSuchTask = () => new DomainError("TASK_NOT_FOUND", "there is no such task");
const noSuchSchedule = () => new DomainError("SCHEDULE_NOT_FOUND", "there is no such schedule");

async function ask(headers: Readonly<Record<string, string>> = {}, query = "", method = "GET") {
  const hangUp = new AbortController();
  opened.defer(() => hangUp.abort());
  const answer = await fetch(url + query, {
    method,
    headers: { authorization: "Bearer good", ...headers },
    signal: hangUp.signal,
  });
  return { answer, hangUp };
}

interface Heard {
  readonly id?: string;
  readonly event?: string;
  readonly data?: unknown;
}

/** The events of a whole stream, by the rules of the standard. */
function eventsIn(stream: string): Heard[] {
  return stream
    .split("\n\n")
    .filter((block) => /^(id|event):/m.test(block))
    .map((block) => {
      const fields = Object.fromEntries(
        block
          .split("\n")
          .map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]),
      );
      return { ...fields, data: JSON.parse(fields["data"] ?? "null") as unknown };
    });
}

describe("the events of a scheduled task", () => {
  beforeEach(() => {
    url = url.replace(taskId, scheduleId);
  });

  test("are those of what it started last, with ids that name it", async () => {
    taskio.say(printed("1"), printed("2"));
    taskio.end();
    const { answer } = await ask();
    const ids = eventsIn(await answer.text()).map(({ id }) => id);
    expect(ids).toEqual([undefined, `${taskId}/1-1`, `${taskId}/1-2`, `${taskId}/end`]);
  });

  test.each([
    ["go on behind an id of the same firing", `${taskId}/1-1`, [`${taskId}/1-2`, `${taskId}/end`]],
    [
      "begin anew behind an id of another firing",
      `${earlierId}/1-1`,
      [`${taskId}/1-1`, `${taskId}/1-2`, `${taskId}/end`],
    ],
    [
      "begin anew behind the end of another firing",
      `${earlierId}/end`,
      [`${taskId}/1-1`, `${taskId}/1-2`, `${taskId}/end`],
    ],
  ])("%s", async (_how, id, expected) => {
    taskio.say(printed("1"), printed("2"));
    taskio.end();
    const { answer } = await ask({ "last-event-id": id });
    expect(eventsIn(await answer.text()).flatMap(({ id }) => id ?? [])).toEqual(expected);
  });

  test("are none behind the end of its last firing", async () => {
    taskio.end();
    const { answer } = await ask({ "last-event-id": `${taskId}/end` });
    expect([answer.status, await answer.text()]).toEqual([204, ""]);
  });

  test("are refused before its first firing, which the refusal says", async () => {
    hasFired = false;
    const { answer } = await ask();
    expect(answer.status).toBe(404);
    expect(await answer.json()).toMatchObject({ detail: "the scheduled task has not fired yet" });
  });

  test("are refused when there is none", async () => {
    url = url.replace(scheduleId, "21234567-89ab-4cde-8f01-23456789abcd");
    expect((await ask()).answer.status).toBe(404);
  });
});

describe("the events of a task", () => {
  test("are its transcript, with cursors as ids, and its end", async () => {
    taskio.say(
      printed("one\n"),
      printed(new Uint8Array([0xe2, 0x82])),
      { case: "message", value: { json: new TextEncoder().encode('{"a":"x\\ny"}') } },
      { case: "prompt", value: { promptId: "p1", text: "name? ", password: false } },
      { case: "answer", value: { promptId: "p1", text: "Ada", answeredBy: "alice" } },
    );
    taskio.end(TaskState.FAILED);
    const { answer } = await ask();
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
    expect(answer.headers.get("cache-control")).toBe("no-store");
    const stream = await answer.text();
    expect(stream).toMatch(/^retry: \d+\n\n/);
    const at = recordedAt.toISOString();
    expect(eventsIn(stream)).toEqual([
      { event: "snapshot", data: { state: "running", attempt: 1, open_prompts: [] } },
      { id: "1-1", event: "output", data: { attempt: 1, seq: 1, at, stream: "stdout", text: "one\n" } },
      { id: "1-2", event: "output", data: { attempt: 1, seq: 2, at, stream: "stdout", base64: "4oI=" } },
      { id: "1-3", event: "message", data: { attempt: 1, seq: 3, at, value: { a: "x\ny" } } },
      {
        id: "1-4",
        event: "prompt",
        data: { attempt: 1, seq: 4, at, prompt_id: "p1", text: "name? ", password: false, choices: [] },
      },
      {
        id: "1-5",
        event: "answer",
        data: { attempt: 1, seq: 5, at, prompt_id: "p1", text: "Ada", password: false, answered_by: "alice" },
      },
      { id: "end", event: "end", data: { state: "failed" } },
    ]);
  });

  test.each([
    ["Last-Event-ID", { "last-event-id": "1-1" }, ""],
    ["after", {}, "?after=1-1"],
    ["Last-Event-ID rather than after", { "last-event-id": "1-1" }, "?after=1-2"],
  ])("go on behind %s", async (_what, headers, query) => {
    taskio.say(printed("1"), printed("2"));
    taskio.end();
    const { answer } = await ask(headers, query);
    expect(eventsIn(await answer.text()).map(({ id }) => id)).toEqual([undefined, "1-2", "end"]);
  });

  test("are none behind the end, which stops clients that ask again for ever", async () => {
    taskio.end();
    const { answer } = await ask({ "last-event-id": "end" });
    expect([answer.status, await answer.text()]).toEqual([204, ""]);
  });

  test("are refused by a status when there is no such task", async () => {
    taskio.interruptNext(new DomainError("TASK_NOT_FOUND", "there is no such task"));
    const { answer } = await ask();
    expect(answer.status).toBe(404);
    expect(answer.headers.get("content-type")).toBe("application/problem+json");
    expect(await answer.json()).toMatchObject({ reason: "TASK_NOT_FOUND" });
  });

  test("say why they break off", async () => {
    const { answer } = await ask();
    await until("it is watched", () => taskio.watching === 1);
    taskio.interrupt(new DomainError("TOKEN_EXPIRED", "the token has expired"));
    expect(eventsIn(await answer.text()).at(-1)).toEqual({
      event: "interrupted",
      data: { reason: "TOKEN_EXPIRED", detail: "the token has expired" },
    });
  });

  test("come as they happen, and end with their caller", async () => {
    const { answer, hangUp } = await ask();
    const chunks = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
    let heard = "";
    const hear = async (what: string) => {
      while (!heard.includes(what)) heard += (await chunks?.read())?.value ?? "";
    };
    await hear("snapshot");
    taskio.say(printed("one"));
    await hear("one");
    expect(taskio.watching).toBe(1);
    hangUp.abort();
    await until("the watch is over", () => taskio.watching === 0);
  });

  test("are refused when too many streams watch the task, until one of them is closed", async () => {
    const streams = await Promise.all(Array.from({ length: 50 }, async () => await ask()));
    expect(new Set(streams.map(({ answer }) => answer.status))).toEqual(new Set([200]));
    const { answer } = await ask();
    expect([answer.status, answer.headers.get("retry-after")]).toEqual([429, "5"]);
    expect(await answer.json()).toMatchObject({ reason: "TOO_MANY_CALLS" });
    await until("nothing is left of the refused one", () => taskio.watching === 50);
    streams[0]?.hangUp.abort();
    await until("a place is free", async () => (await ask()).answer.status === 200);
  });

  test("take no place when they are refused, or asked for their head alone", async () => {
    for (let count = 0; count < 60; count += 1) {
      taskio.interruptNext(new DomainError("TASK_NOT_FOUND", "there is no such task"));
      expect((await ask()).answer.status).toBe(404);
      const { answer } = await ask({}, "", "HEAD");
      expect(answer.status).toBe(200);
      await until("the watch is over", () => taskio.watching === 0);
    }
  });

  test("are not sent to who asks for the head alone", async () => {
    const { answer } = await ask({}, "", "HEAD");
    expect([answer.status, await answer.text()]).toEqual([200, ""]);
    await until("the watch is over", () => taskio.watching === 0);
  });
});
