import { create } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { type TaskIOState, TaskIOStateSchema } from "../../gen/antiphon/internal/v1/task_state_service_pb.ts";
import { TaskState } from "../../gen/antiphon/scheduler/v1/task_pb.ts";
import { archivePlan, isOver } from "./archive-plan.ts";
import { cursorText, parseCursor } from "./cursor.ts";

describe("archivePlan", () => {
  test("takes what follows the archive and each other, and passes over what is stored", () => {
    expect(plan("1-2", ["1-1", "1-2", "1-3", "1-4"])).toEqual({ takes: ["1-3", "1-4"], stop: "drained" });
  });

  test("stops at a hole", () => {
    const state = aTask({ attempt: 1 });
    expect(plan("1-2", ["1-3", "1-6"], state)).toEqual({ takes: ["1-3"], stop: "hole 1: 4 to 5" });
  });

  test("asks history before another attempt begins", () => {
    expect(plan("1-2", ["1-3", "2-1"])).toEqual({ takes: ["1-3"], stop: "needs_history" });
    expect(plan("1-2", ["1-3", "2-1"], aTask({ attempt: 1 }))).toEqual({
      takes: ["1-3"],
      stop: "needs_history",
    });
  });

  test("goes on with the next attempt when the one before is whole", () => {
    const state = aTask({ attempt: 2, lastSeqs: { 1: 3 } });
    expect(plan("1-2", ["1-3", "2-1", "2-2"], state)).toEqual({
      takes: ["1-3", "2-1", "2-2"],
      stop: "drained",
    });
  });

  test("waits for the rest of an ended attempt before the next", () => {
    const state = aTask({ attempt: 2, lastSeqs: { 1: 4 } });
    expect(plan("1-2", ["1-3", "2-1"], state)).toEqual({ takes: ["1-3"], stop: "hole 1: 4 to 4" });
  });

  test("misses what an ended attempt wrote last", () => {
    const state = aTask({ attempt: 1, lastSeqs: { 1: 4 } });
    expect(plan("1-2", ["1-3"], state)).toEqual({ takes: ["1-3"], stop: "hole 1: 4 to 4" });
  });

  test("misses nothing at the end of a stream that was not read to its end", () => {
    const state = aTask({ attempt: 1, lastSeqs: { 1: 9 } });
    expect(plan("1-2", ["1-3"], state, false)).toEqual({ takes: ["1-3"], stop: "more" });
  });
});

describe("isOver", () => {
  test("is true of an attempt after which another began, or the task ended", () => {
    expect(isOver(1, aTask({ attempt: 1 }))).toBe(false);
    expect(isOver(1, aTask({ attempt: 2 }))).toBe(true);
    expect(isOver(1, aTask({ attempt: 1, state: TaskState.CANCELLED }))).toBe(true);
  });
});

function aTask(fields: {
  attempt: number;
  lastSeqs?: Record<number, number>;
  state?: TaskState;
}): TaskIOState {
  return create(TaskIOStateSchema, { state: TaskState.RUNNING, ...fields });
}

function plan(head: string, stream: readonly string[], state?: TaskIOState, isWhole = true) {
  const place = (text: string) => parseCursor(text) ?? { attempt: 0, seq: 0 };
  const planned = archivePlan({
    head: place(head),
    stream: stream.map((text) => ({ ...place(text), body: new Uint8Array() })),
    isWhole,
    state,
  });
  const { stop } = planned;
  const hole =
    stop.kind === "hole" &&
    `hole ${stop.missing.attempt}: ${stop.missing.firstSeq} to ${stop.missing.lastSeq}`;
  return { takes: planned.entries.map(cursorText), stop: hole || stop.kind };
}
