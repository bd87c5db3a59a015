import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { createRouterTransport } from "@connectrpc/connect";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { ScheduleSchema } from "../../../../gen/antiphon/scheduler/v1/schedule_pb.ts";
import {
  SchedulerService,
  type UpdateScheduleRequest,
} from "../../../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { DomainError } from "../../../../lib/errors/domain-error.ts";
import { logger } from "../../../../lib/log/log.ts";
import { serve } from "../../../../lib/rpc/serve.ts";
import { toConnectError } from "../../../../lib/rpc/to-connect-error.ts";
import { aCaller } from "../../../../test/support/a-caller.ts";
import { httpApp } from "../../http/http-app.ts";
import { changeTask } from "./change-task.ts";

const log = logger("gateway", "silent");
const opened = new AsyncDisposableStack();
const scheduleId = "0b6f4f9e-6f0e-4a3a-8b44-0f7f3c0f2a11";
type Timing = NonNullable<MessageInitShape<typeof ScheduleSchema>["timing"]>;
const once: Timing = { kind: { case: "at", value: { seconds: 4_000_000_000n } } };
const daily: Timing = { kind: { case: "cron", value: "0 0 * * *" } };

/** When the task is carried out. */
let timing: Timing;
let updates: UpdateScheduleRequest[];
let url: string;
/** What the scheduler finds wrong with the next change. */
let faultAt: string | undefined;

beforeAll(async () => {
  const transport = createRouterTransport((router) => {
    router.service(SchedulerService, {
      getTask() {
        throw toConnectError(new DomainError("TASK_NOT_FOUND", "there is none"));
      },
      getSchedule: () => ({ schedule: scheduled() }),
      listRuns: () => ({}),
      updateSchedule(request) {
        updates.push(request);
        if (faultAt !== undefined) {
          const fault = { path: faultAt, reason: "FIELD_INVALID" as const, message: "is wrong" };
          throw toConnectError(DomainError.ofFaults([fault]));
        }
        return { schedule: scheduled() };
      },
    });
  });
  const verify = async () => aCaller();
  const app = httpApp({
    routes: changeTask(),
    transports: { auth: transport, scheduler: transport, taskio: transport },
    verify,
    tokenFor: () => undefined,
    log,
  });
  const server = await serve({ host: "127.0.0.1", port: 0, services: [], fallback: app, verify, log });
  opened.use(server);
  url = `${server.url}/api/v1/tasks/${scheduleId}`;
});

beforeEach(() => {
  updates = [];
  faultAt = undefined;
});

afterAll(() => opened.disposeAsync());

function scheduled() {
  const target = { kind: { case: "task", value: { program: { fileName: "a.waldiez" } } } } as const;
  return create(ScheduleSchema, { scheduleId, timing, target, createdAt: { seconds: 1n } });
}

test.each([
  ["the time of a task by once", once, { scheduled_time: "2096-01-01T00:00:00Z" }, ["timing", "ends_at"]],
  ["the phrase of a task by cron", daily, { cron_expression: "every hour" }, ["timing"]],
  ["the end of a task by cron", daily, { expires_at: "2096-01-01T00:00:00Z" }, ["timing", "ends_at"]],
  [
    "a task by once to one by cron",
    once,
    { schedule_type: "cron", cron_expression: "* * * * *" },
    ["timing"],
  ],
])("changes %s", async (_what, before, fields, paths) => {
  timing = before;
  expect((await patch(fields)).status).toBe(200);
  expect(updates.map(({ updateMask }) => updateMask?.paths)).toEqual([paths]);
});

test.each([
  ["nothing but the type that it has", once, { schedule_type: "once" }],
  ["nothing but nulls", daily, { scheduled_time: null, cron_expression: null, status: "COMPLETED" }],
])("leaves a task alone when it is sent %s", async (_what, before, fields) => {
  timing = before;
  expect((await patch(fields)).status).toBe(200);
  expect(updates).toEqual([]);
});

test.each([
  ["once without its time", daily, { schedule_type: "once" }],
  ["once with a phrase", once, { cron_expression: "every hour" }],
  ["once with an end", once, { expires_at: "2096-01-01T00:00:00Z" }],
  ["cron with an end in the past", daily, { expires_at: "2020-01-01T00:00:00Z" }],
  ["cron with a time", daily, { scheduled_time: "2096-01-01T00:00:00Z" }],
])("refuses %s", async (_what, before, fields) => {
  timing = before;
  expect((await patch(fields)).status).toBe(422);
  expect(updates).toEqual([]);
});

test.each([
  ["schedule.timing.at", once, { scheduled_time: "2020-01-01T00:00:00Z" }, "scheduled_time"],
  ["schedule.timing.cron", daily, { cron_expression: "0 0 30 2 *" }, "cron_expression"],
])("says by the client's field what the scheduler refuses as %s", async (path, before, fields, name) => {
  timing = before;
  faultAt = path;
  const answer = await patch(fields);
  expect(answer.status).toBe(422);
  expect(await answer.json()).toMatchObject({ detail: [{ loc: ["body", name], msg: "is wrong" }] });
});

test("answers what has been changed to a caller that says what it has, too", async () => {
  timing = once;
  const fields = { scheduled_time: "2096-01-01T00:00:00Z" };
  const answer = await patch(fields, { "if-none-match": "*" });
  expect(answer.status).toBe(200);
  expect(await answer.json()).toMatchObject({ id: scheduleId });
  expect((await patch(fields, { "if-match": answer.headers.get("etag") ?? "" })).status).toBe(200);
  expect((await patch(fields, { "if-match": '"other"' })).status).toBe(412);
  expect(updates).toHaveLength(2);
});

async function patch(fields: object, more: Readonly<Record<string, string>> = {}): Promise<Response> {
  const headers = { authorization: "Bearer good", "content-type": "application/json", ...more };
  return await fetch(url, { method: "PATCH", headers, body: JSON.stringify(fields) });
}
