import { describe, expect, test } from "vitest";
import { partitionOf } from "../../../lib/ids/partition.ts";
import {
  aNode,
  answered,
  aRun,
  aStart,
  at,
  begun,
  bringOn,
  bringOnAt,
  cancel,
  childEnded,
  fired,
  later,
  pause,
  resume,
  statesOf,
  taskOfNode,
} from "../../../test/support/a-run.ts";
import type { NodeDefinition, RetryPolicy } from "./definition.ts";
import { begin } from "./evolve.ts";
import { childRunIdOf, maxDepth } from "./open-engine-task.ts";
import type { Run } from "./run.ts";

const retry: RetryPolicy = {
  maxAttempts: 2,
  initialDelayMs: 10,
  multiplier: 1,
  maxDelayMs: 10,
  jitter: 0,
  nonRetryable: [],
};
const engine = (handler: string, config = {}, more: Partial<NodeDefinition> = {}) =>
  aNode("A", [], { handler, config, ...more });
const task = (run: Run) => taskOfNode(run, "A");

test("a config that a template made wrong fails the node for good, by its key", () => {
  const wrong = [
    engine("sleep", { duration: "{{ input.x }}" }, { retry }),
    engine("approval", { choices: "{{ input.x }}" }, { retry }),
    engine("wait_for_signal", { signal: "{{ input.x }}" }, { retry }),
    engine("workflow", { workflow_name: "{{ input.x }}" }, { retry }),
  ];
  const failures = wrong.map((node) => {
    const run = begun(aStart([node], { input: { x: 1.5e300 } }));
    expect(run.state).toBe("failed");
    return task(run).failure;
  });
  expect(failures.map((failure) => failure?.reason)).toEqual(
    Array.from({ length: 4 }, () => "CONFIG_INVALID"),
  );
  expect(failures[3]?.message).toBe("config.workflow_name is not a text");
});

describe("sleep", () => {
  test("ends by its timer, also while the run is paused, and no worker takes part", () => {
    const run = aRun([engine("sleep", { duration: "2s" }), aNode("B", ["A"])]);
    expect(task(run)).toMatchObject({ state: "running", timer: { kind: "sleep", at: later(2_000) } });
    expect(bringOnAt(run, 2_100, pause, fired("A", "sleep"))).toEqual([]);
    expect(task(run).output).toEqual({ slept_until: "2026-01-01T00:00:02.100Z" });
    expect(statesOf(run)).toEqual({ A: "completed", B: "pending" });
    expect(bringOn(run, resume)).toEqual(["B#1"]);
  });

  test("until a time that is past ends at once", () => {
    const run = aRun([engine("sleep", { until: "2020-01-01T00:00:00Z" })]);
    expect(task(run).timer).toEqual({ kind: "sleep", at });
  });
});

describe("approval", () => {
  test("asks without a worker, and completes with the verdict", () => {
    const begunRun = begin("r", { ...aStart([engine("approval", { choices: ["blue"] })]), seq: 1, at });
    expect(begunRun.asked.map(({ prompt }) => prompt.text)).toEqual(["Approve?"]);
    expect(begunRun.ready).toEqual([]);
    const { run } = begunRun;
    expect(task(run)).toMatchObject({ state: "waiting_for_input", prompts: [{ state: "open" }] });
    expect(() => bringOn(run, answered("A", "approval-1", "red"))).toThrow("can not be answered so");
    run.seq = 1;
    bringOnAt(run, 7, answered("A", "approval-1", "blue"));
    expect(task(run).output).toEqual({
      approved: true,
      choice: "blue",
      answer: "blue",
      answered_by: "bob",
      answered_at: "2026-01-01T00:00:00.007Z",
    });
    expect(task(run).lastSeqs.get(1)).toBe(2);
  });

  test("offers what may be answered: its choices, else yes and no", () => {
    expect(task(aRun([engine("approval", { choices: ["blue", " green "] })])).prompts).toMatchObject([
      { choices: ["blue", "green"] },
    ]);
    expect(task(aRun([engine("approval")])).prompts).toMatchObject([{ choices: ["yes", "no"] }]);
  });

  test("fails for good when it is rejected and that is to count", () => {
    const run = aRun([engine("approval", { fail_on_reject: true }, { retry })]);
    bringOn(run, answered("A", "approval-1", "no"));
    expect(run.failure).toMatchObject({ reason: "APPROVAL_REJECTED", message: "bob rejected it" });
    const borne = aRun([engine("approval")], answered("A", "approval-1", "no"));
    expect(task(borne).output).toMatchObject({ approved: false });
  });

  test("asks again after a time limit when it may", () => {
    const run = aRun([engine("approval", {}, { retry, timeoutMs: 50 })]);
    bringOnAt(run, 50, fired("A", "timeout"));
    expect(task(run)).toMatchObject({ state: "pending", prompts: [{ state: "attempt_ended" }] });
    bringOnAt(run, 60, fired("A", "retry"));
    expect(task(run).prompts).toMatchObject([{}, { promptId: "approval-2", state: "open" }]);
    expect(task(run).timer).toEqual({ kind: "timeout", at: later(110) });
    bringOnAt(run, 110, fired("A", "timeout", 2));
    expect(task(run)).toMatchObject({ state: "failed", failure: { reason: "TIMED_OUT" } });
  });

  test("is cancelled at once", () => {
    const run = aRun([engine("approval")], cancel);
    expect(task(run)).toMatchObject({ state: "cancelled", prompts: [{ state: "attempt_ended" }] });
    expect(run.state).toBe("cancelled");
  });
});

describe("workflow", () => {
  const node = (more = {}) => engine("workflow", { workflow_name: "child" }, { retry, ...more });

  test("waits for its run, and ends as that did", () => {
    const completed = aRun([node()], childEnded("A", { kind: "completed", output: { results: {} } }));
    expect(task(completed)).toMatchObject({ state: "completed", output: { results: {} } });
    const cancelled = aRun([node(), aNode("B", ["A"])], childEnded("A", { kind: "cancelled" }));
    expect(statesOf(cancelled)).toEqual({ A: "cancelled", B: "cancelled" });
    expect(cancelled.state).toBe("cancelled");
  });

  test("starts another run for each attempt, the same for the same attempt", () => {
    const run = aRun([node()]);
    const first = task(run).childRunId;
    expect(first).toBe(childRunIdOf(run, { name: "A", attempt: 1 }));
    bringOn(run, childEnded("A", { kind: "failed", reason: "CHILD_FAILED", message: "m" }));
    expect(task(run)).toMatchObject({ state: "pending", timer: { kind: "retry", at: later(10) } });
    bringOn(run, fired("A", "retry"));
    expect(task(run)).toMatchObject({ state: "running", attempt: 2 });
    expect(task(run).childRunId).not.toBe(first);
    expect(partitionOf(first ?? "")).toBe(partitionOf(run.runId));
  });

  test("is cancelled with its parent once its own run has ended", () => {
    const run = aRun([node()], cancel);
    expect([task(run).state, run.state]).toEqual(["running", "running"]);
    bringOn(run, childEnded("A", { kind: "cancelled" }));
    expect([task(run).state, run.state]).toEqual(["cancelled", "cancelled"]);
  });

  test("starts no run below the deepest, and is not tried again", () => {
    const parent = (depth: number) => ({ parent: { runId: "p", nodeId: "X", attempt: 1, depth } });
    expect(task(begun(aStart([node()], parent(maxDepth - 1)))).state).toBe("running");
    const run = begun(aStart([node()], parent(maxDepth)));
    expect(run).toMatchObject({ state: "failed", failure: { reason: "DEPTH_LIMIT" } });
  });
});
