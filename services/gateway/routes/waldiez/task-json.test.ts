import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { describe, expect, test } from "vitest";
import { ScheduleSchema } from "../../../../gen/antiphon/scheduler/v1/schedule_pb.ts";
import { TaskSchema, TaskState } from "../../../../gen/antiphon/scheduler/v1/task_pb.ts";
import { taskJson, taskSchema } from "./task-json.ts";

const now = new Date("2030-06-01T00:00:00Z");
const at = (iso: string) => timestampFromDate(new Date(iso));

const aTask = (fields: MessageInitShape<typeof TaskSchema> = {}) =>
  create(TaskSchema, {
    taskId: "t",
    runId: "t",
    name: "a.waldiez",
    clientId: "alice",
    state: TaskState.COMPLETED,
    createdAt: at("2030-01-01T00:00:00Z"),
    updatedAt: at("2030-01-02T00:00:00Z"),
    ...fields,
  });

const shown = (fields?: MessageInitShape<typeof TaskSchema>, inList = false) =>
  taskSchema.parse(taskJson({ kind: "plain", task: aTask(fields) }, { now, inList }));

const output = (value: unknown) => ({ output: Buffer.from(JSON.stringify(value)) });

describe("taskJson", () => {
  test("shows a task with every field that clients know", () => {
    const question = { promptId: "p1", text: "name?" };
    const waiting = {
      state: TaskState.WAITING_FOR_INPUT,
      openPrompts: [question, { promptId: "p2" }],
      labels: { "waldiez.flow_id": "f" },
      promptTimeout: durationFromMs(180_000),
      startedAt: at("2030-01-01T01:00:00Z"),
    };
    expect(shown(waiting)).toEqual({
      id: "t",
      created_at: "2030-01-01T00:00:00.000Z",
      updated_at: "2030-01-02T00:00:00.000Z",
      client_id: "alice",
      flow_id: "f",
      filename: "a.waldiez",
      status: "WAITING_FOR_INPUT",
      input_timeout: 180,
      input_request_id: "p1",
      results: null,
      triggered_at: "2030-01-01T01:00:00.000Z",
      schedule_type: null,
      scheduled_time: null,
      cron_expression: null,
      expires_at: null,
    });
  });

  test("shows results as a list or an object, whatever was given, and none in lists", () => {
    expect(shown(output([{ index: 0 }])).results).toEqual([{ index: 0 }]);
    expect(shown(output({ a: 1 })).results).toEqual({ a: 1 });
    expect(shown(output("text")).results).toEqual(["text"]);
    expect(shown(output(null)).results).toBeNull();
    expect(shown(output([1]), true).results).toBeNull();
    const failure = { reason: "EXIT_CODE", message: "it ended with 1" };
    expect(shown({ state: TaskState.FAILED, failure }).results).toEqual({
      error: "it ended with 1",
      reason: "EXIT_CODE",
    });
    expect(shown({ state: TaskState.CANCELLED }).results).toEqual({ detail: "Task cancelled" });
  });

  test("shows a schedule with what it started last", () => {
    const schedule = create(ScheduleSchema, {
      scheduleId: "s",
      name: "a",
      clientId: "alice",
      timing: { kind: { case: "cron", value: "0 0 * * 1" } },
      target: { kind: { case: "task", value: { program: { fileName: "b.waldiez" }, labels: {} } } },
      createdAt: at("2030-01-01T00:00:00Z"),
      updatedAt: at("2030-01-01T00:00:00Z"),
      endsAt: at("2031-01-01T00:00:00Z"),
    });
    const json = taskJson({ kind: "scheduled", schedule, last: aTask(output([1])) }, { now });
    expect(taskSchema.parse(json)).toMatchObject({
      id: "s",
      flow_id: "s",
      filename: "b.waldiez",
      status: "PENDING",
      updated_at: "2030-01-02T00:00:00.000Z",
      results: [1],
      schedule_type: "cron",
      cron_expression: "0 0 * * 1",
      expires_at: "2031-01-01T00:00:00.000Z",
    });
  });

  test.each([
    ["expired", { endsAt: at("2030-05-01T00:00:00Z") }, "CANCELLED", { detail: "Task expired" }],
    ["was cancelled", { paused: true }, "CANCELLED", { detail: "Task cancelled" }],
    [
      "could not be started",
      { endsAt: at("2030-05-01T00:00:00Z"), lastFailure: { reason: "RUN_LIMIT", message: "too many" } },
      "FAILED",
      { error: "too many", reason: "RUN_LIMIT" },
    ],
    ["waits", {}, "PENDING", null],
  ])("says why a schedule without a run has no results when it %s", (_why, fields, status, results) => {
    const timing = { kind: { case: "cron", value: "0 0 * * 1" } } as const;
    const schedule = create(ScheduleSchema, { scheduleId: "s", timing, ...fields });
    expect(taskJson({ kind: "scheduled", schedule, last: undefined }, { now })).toMatchObject({
      status,
      results,
    });
  });
});
