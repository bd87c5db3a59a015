import { create } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { TaskIOStateSchema } from "../../gen/antiphon/internal/v1/task_state_service_pb.ts";
import { TaskState } from "../../gen/antiphon/scheduler/v1/task_pb.ts";
import { type Cursor, parseCursor } from "./cursor.ts";
import { follows, isComplete, missingAfter, missingBetween } from "./succession.ts";

describe("follows", () => {
  test.each([
    ["", "1-1", true],
    ["", "1-2", false],
    ["", "2-1", false],
    ["1-4", "1-5", true],
    ["1-4", "1-6", false],
    ["1-4", "1-4", false],
    ["1-4", "2-1", false],
  ])("after %j comes %s: %s", (at, next, expected) => {
    expect(follows(cursor(next), cursor(at))).toBe(expected);
  });
});

describe("missingBetween", () => {
  test.each([
    ["nothing within an attempt", "1-4", "1-5", {}, undefined],
    ["what a hole within an attempt leaves out", "1-4", "1-9", {}, [1, 5, 8]],
    ["what an ended attempt wrote last", "1-4", "2-1", { 1: 6 }, [1, 5, 6]],
    ["nothing when an ended attempt is whole", "1-4", "2-1", { 1: 4 }, undefined],
    ["nothing of an attempt whose worker was lost", "1-4", "2-1", {}, undefined],
    ["all of an ended attempt of which there is nothing", "1-4", "3-1", { 1: 4, 2: 3 }, [2, 1, 3]],
    ["the beginning of a later attempt", "1-4", "2-3", { 1: 4 }, [2, 1, 2]],
    ["what comes first, when more is missing", "", "3-2", { 1: 1, 2: 2 }, [1, 1, 1]],
  ] as const)("is %s", (_, at, next, lastSeqs, expected) => {
    const missing = missingBetween(cursor(at), cursor(next), { lastSeqs });
    expect(missing && [missing.attempt, missing.firstSeq, missing.lastSeq]).toEqual(expected);
  });
});

describe("missingAfter", () => {
  test("is what history knows of and nothing else", () => {
    expect(missingAfter(cursor("1-4"), { lastSeqs: { 1: 4 } })).toBeUndefined();
    expect(missingAfter(cursor("1-4"), { lastSeqs: {} })).toBeUndefined();
    expect(missingAfter(cursor("2-1"), { lastSeqs: { 1: 9, 2: 2 } })).toEqual({
      attempt: 2,
      firstSeq: 2,
      lastSeq: 2,
    });
  });
});

describe("isComplete", () => {
  const at = cursor("2-5");
  test.each([
    ["while the task goes on", TaskState.RUNNING, { 2: 5 }, true, false],
    ["before the last entry that its worker named", TaskState.COMPLETED, { 2: 6 }, true, false],
    ["at that entry, whatever the stream says", TaskState.COMPLETED, { 2: 5 }, false, true],
    ["without such a name, before the stream was seen empty", TaskState.FAILED, {}, false, false],
    ["without such a name, when it was", TaskState.FAILED, {}, true, true],
  ] as const)("%s", (_, state, lastSeqs, nothingAfter, expected) => {
    const history = create(TaskIOStateSchema, { state, attempt: 2, lastSeqs });
    expect(isComplete(at, { state: history, nothingAfter })).toBe(expected);
  });

  test("at once for a task that was never attempted", () => {
    const history = create(TaskIOStateSchema, { state: TaskState.SKIPPED });
    expect(isComplete(cursor(""), { state: history, nothingAfter: false })).toBe(true);
  });
});

function cursor(text: string): Cursor {
  const parsed = parseCursor(text);
  if (parsed === undefined) throw new Error(`${text} is no cursor`);
  return parsed;
}
