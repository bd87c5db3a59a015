import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { describe, expect, test } from "vitest";
import { ScheduleSchema } from "../../../../gen/antiphon/scheduler/v1/schedule_pb.ts";
import { TaskSchema, TaskState } from "../../../../gen/antiphon/scheduler/v1/task_pb.ts";
import { statusOfFound } from "./found-task.ts";

const now = new Date("2030-06-01T00:00:00Z");
const at = (iso: string) => timestampFromDate(new Date(iso));
const before = at("2030-05-31T00:00:00Z");
const after = at("2030-06-02T00:00:00Z");

const once = { timing: { kind: { case: "at", value: before } } } as const;
const daily = { timing: { kind: { case: "cron", value: "0 0 * * *" } } } as const;

type Fields = MessageInitShape<typeof ScheduleSchema>;

const status = (fields: Fields, state?: TaskState, more = {}) =>
  statusOfFound(
    {
      kind: "scheduled",
      schedule: create(ScheduleSchema, fields),
      last: state === undefined ? undefined : create(TaskSchema, { state, ...more }),
    },
    now,
  );

describe("the status of a task", () => {
  test("that stands alone is its own, and cancelled from when that was asked for", () => {
    const alone = (state: TaskState, cancelRequested = false) =>
      statusOfFound({ kind: "plain", task: create(TaskSchema, { state, cancelRequested }) }, now);
    expect(alone(TaskState.QUEUED)).toBe("PENDING");
    expect(alone(TaskState.STARTING)).toBe("PENDING");
    expect(alone(TaskState.RUNNING, true)).toBe("CANCELLED");
    expect(alone(TaskState.COMPLETED, true)).toBe("COMPLETED");
  });

  test("by cron is pending between its firings, and that of what is being carried out", () => {
    expect(status(daily)).toBe("PENDING");
    expect(status(daily, TaskState.RUNNING)).toBe("RUNNING");
    expect(status(daily, TaskState.WAITING_FOR_INPUT)).toBe("WAITING_FOR_INPUT");
    expect(status(daily, TaskState.FAILED)).toBe("PENDING");
    expect(status({ ...daily, endsAt: after }, TaskState.COMPLETED)).toBe("PENDING");
  });

  test("by cron is over with its last firing, or when it was cancelled", () => {
    expect(status({ ...daily, endsAt: before }, TaskState.FAILED)).toBe("FAILED");
    expect(status({ ...daily, endsAt: before }, TaskState.RUNNING)).toBe("RUNNING");
    expect(status({ ...daily, endsAt: before })).toBe("CANCELLED");
    expect(status({ ...daily, paused: true }, TaskState.COMPLETED)).toBe("CANCELLED");
    expect(status({ ...daily, paused: true }, TaskState.RUNNING, { cancelRequested: true })).toBe(
      "CANCELLED",
    );
  });

  test("at one time is pending before that, and from then on what it came to", () => {
    expect(status(once)).toBe("PENDING");
    const fired = { ...once, lastFiringAt: before };
    expect(status(fired, TaskState.RUNNING)).toBe("RUNNING");
    expect(status(fired, TaskState.COMPLETED)).toBe("COMPLETED");
    expect(status({ ...fired, lastFailure: { reason: "RUN_LIMIT" } })).toBe("FAILED");
    expect(status(fired)).toBe("CANCELLED");
    expect(status({ ...fired, starting: true })).toBe("PENDING");
  });
});
