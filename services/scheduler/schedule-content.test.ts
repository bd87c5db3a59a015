import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { describe, expect, test } from "vitest";
import { CatchUpPolicy, OverlapPolicy, ScheduleSchema } from "../../gen/antiphon/scheduler/v1/schedule_pb.ts";
import type { Schedule } from "./schedule.ts";
import { changedContent, newContent } from "./schedule-content.ts";

type ScheduleInit = Extract<MessageInitShape<typeof ScheduleSchema>, { readonly $typeName?: never }>;

const now = new Date("2026-01-01T12:00:30Z");
const daily = { kind: { case: "cron", value: "0 6 * * *" } } as const;
const onceAt = (at: Date) => ({ kind: { case: "at", value: timestampFromDate(at) } }) as const;
const ago = (ms: number): Date => new Date(now.getTime() - ms);

const given = (more: ScheduleInit = {}) =>
  create(ScheduleSchema, {
    name: "given",
    timing: daily,
    target: { kind: { case: "workflow", value: { workflowId: "w1" } } },
    ...more,
  });

function aSchedule(more: Partial<Schedule> = {}): Schedule {
  const { content, nextAt, paused, name } = newContent(given(), { workflowId: "w1", now: ago(86_400_000) });
  const none = {
    resumedAt: undefined,
    lastFiringAt: undefined,
    lastRunId: undefined,
    lastFailure: undefined,
  };
  const work = { starting: [], waiting: [], cancelling: [] };
  const place = { scheduleId: "s", partition: 1, clientId: "alice", workflowId: "w1", revision: 0 };
  return {
    ...place,
    ...none,
    ...work,
    content,
    nextAt,
    paused,
    name,
    createdAt: now,
    updatedAt: now,
    ...more,
  };
}

const change = (schedule: Schedule, more: ScheduleInit, ...parts: string[]) =>
  changedContent(schedule, { given: given(more), parts: new Set(parts), workflowId: "w2", now });

describe("newContent", () => {
  test("fires first at the next time after now", () => {
    const { nextAt } = newContent(given(), { workflowId: undefined, now });
    expect(nextAt).toEqual(new Date("2026-01-02T06:00:00Z"));
  });

  test.each<[string, number, ScheduleInit, boolean]>([
    ["just past", 9_000, { catchUp: CatchUpPolicy.SKIP }, true],
    ["missed, where that is passed over", 11_000, { catchUp: CatchUpPolicy.SKIP }, false],
    ["within the hour", 59 * 60_000, {}, true],
    ["longer ago", 61 * 60_000, {}, false],
    ["within a window of its own", 61 * 60_000, { catchUpWindow: durationFromMs(2 * 3_600_000) }, true],
  ])("takes a single time that is %s, or refuses it", (_, agoMs, more, isTaken) => {
    const schedule = given({ ...more, timing: onceAt(ago(agoMs)) });
    if (isTaken) expect(newContent(schedule, { workflowId: undefined, now }).nextAt).toEqual(ago(agoMs));
    else expect(() => newContent(schedule, { workflowId: undefined, now })).toThrow("schedule.timing.at");
  });

  test("keeps the file of a task apart, and of an inline workflow its id", () => {
    const program = { fileName: "a.py", content: new Uint8Array([1]), env: { KEY: "secret" } };
    const task = given({ target: { kind: { case: "task", value: { program } } } });
    const stored = newContent(task, { workflowId: undefined, now });
    expect(stored.program).toEqual({ content: program.content, env: program.env });
    expect(stored.content.target?.kind.value).toMatchObject({
      program: { content: new Uint8Array(), env: {} },
    });
    expect(task.target?.kind.value).toMatchObject({ program });

    const inline = given({ target: { kind: { case: "workflow", value: { workflow: { name: "w" } } } } });
    const kept = newContent(inline, { workflowId: "w9", now }).content.target?.kind;
    expect(kept?.case === "workflow" && kept.value).toMatchObject({ workflowId: "w9" });
    expect(kept?.case === "workflow" && kept.value.workflow).toBeUndefined();
  });

  test("refuses one that ends before it fires", () => {
    const endsAt = timestampFromDate(new Date("2026-01-02T06:00:00Z"));
    const stored = (schedule: ScheduleInit) => newContent(given(schedule), { workflowId: undefined, now });
    expect(() => stored({ endsAt })).toThrow("schedule.timing.cron");
    expect(() => stored({ endsAt, timing: onceAt(new Date("2026-01-02T06:00:00Z")) })).toThrow("timing.at");
    const justAfter = timestampFromDate(new Date("2026-01-02T06:00:00.001Z"));
    expect(stored({ endsAt: justAfter }).nextAt).toEqual(new Date("2026-01-02T06:00:00Z"));
  });
});

describe("changedContent", () => {
  test("changes what is named and nothing else", () => {
    const before = aSchedule();
    const more = { overlap: OverlapPolicy.QUEUE, paused: true, catchUpWindow: durationFromMs(1_000) };
    const after = change(before, more, "overlap");
    expect(after).toMatchObject({ name: "given", paused: false, nextAt: before.nextAt, workflowId: "w1" });
    expect(after.content).toMatchObject({ overlap: OverlapPolicy.QUEUE });
    expect(after.content.catchUpWindow).toBeUndefined();
    expect(change(before, more, "catch_up_window", "catch_up").content).toMatchObject({
      catchUpWindow: durationFromMs(1_000),
      overlap: OverlapPolicy.UNSPECIFIED,
    });
    expect(change(before, {}, "target").workflowId).toBe("w2");
  });

  test("goes on from now with another timing, and as it was with the same", () => {
    const before = aSchedule({ nextAt: ago(3_600_000) });
    expect(change(before, {}, "timing").nextAt).toEqual(before.nextAt);
    expect(change(before, { timing: { ...daily, timeZone: "Asia/Tokyo" } }, "timing").nextAt).toEqual(
      new Date("2026-01-01T21:00:00Z"),
    );
    const never = { timing: { kind: { case: "cron", value: "0 0 30 2 *" } } } as const;
    expect(() => change(before, never, "timing")).toThrow("never comes");
  });

  test("notes when it was set going again", () => {
    expect(change(aSchedule({ paused: true }), { paused: false }, "paused").resumedAt).toEqual(now);
    expect(change(aSchedule(), { paused: false }, "paused").resumedAt).toBeUndefined();
    const resumedAt = ago(5_000);
    expect(change(aSchedule({ resumedAt }), { paused: true }, "paused")).toMatchObject({
      resumedAt,
      paused: true,
    });
  });

  test("fires no more from its end on, and goes on when that is put off", () => {
    const before = aSchedule({ nextAt: new Date("2026-01-02T06:00:00Z") });
    const endsAt = timestampFromDate(new Date("2026-01-02T06:00:00Z"));
    const ended = change(before, { endsAt }, "ends_at");
    expect(ended.nextAt).toBeUndefined();
    expect(ended.content.endsAt).toEqual(endsAt);
    const current = aSchedule({ content: ended.content, nextAt: undefined });
    const later = timestampFromDate(new Date("2026-01-02T06:00:01Z"));
    expect(change(current, { endsAt: later }, "ends_at").nextAt).toEqual(new Date("2026-01-02T06:00:00Z"));
    expect(change(current, {}, "ends_at").nextAt).toEqual(new Date("2026-01-02T06:00:00Z"));
    expect(change(before, { endsAt: later }, "ends_at").nextAt).toEqual(before.nextAt);
    expect(change(before, { endsAt }, "name").content.endsAt).toBeUndefined();
  });
});
