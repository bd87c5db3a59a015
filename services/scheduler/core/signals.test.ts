import { expect, test } from "vitest";
import {
  aNode,
  aRun,
  bringOn,
  bringOnAt,
  cancel,
  completed,
  fired,
  signalled,
  statesOf,
  taskOfNode,
} from "../../../test/support/a-run.ts";

const waiting = (id: string, dependencies: string[] = [], more = {}) =>
  aNode(id, dependencies, { handler: "wait_for_signal", config: { signal: "paid" }, ...more });

test("a signal goes to the task that has waited longest for its name, and to one only", () => {
  const run = aRun([aNode("A"), waiting("B", ["A"]), waiting("C"), waiting("D")], completed("A"));
  bringOnAt(run, 5, signalled("other"), signalled("paid", 1), signalled("paid", 2, "s2"));
  expect(statesOf(run)).toEqual({ A: "completed", B: "running", C: "completed", D: "completed" });
  expect(taskOfNode(run, "C").output).toEqual({
    payload: 1,
    sent_by: "bob",
    sent_at: "2026-01-01T00:00:00.005Z",
  });
  bringOn(run, signalled("paid", 3));
  expect(taskOfNode(run, "B").output).toMatchObject({ payload: 3 });
  expect(run).toMatchObject({ state: "completed", signals: [{ name: "other" }] });
});

test("signals that nobody waits for are kept, and taken in the order in which they came", () => {
  const run = aRun([aNode("A"), waiting("B", ["A"]), waiting("C", ["B"]), waiting("D", ["C"])]);
  bringOn(run, signalled("paid", 1), signalled("late"), signalled("paid", 2), completed("A"));
  expect(taskOfNode(run, "B").output).toMatchObject({ payload: 1 });
  expect(taskOfNode(run, "C").output).toMatchObject({ payload: 2 });
  expect(taskOfNode(run, "D")).toMatchObject({ state: "running", awaitedSignal: "paid" });
  expect(run.signals.map(({ name }) => name)).toEqual(["late"]);
});

test("a task that waits no longer takes no signal", () => {
  const retry = {
    maxAttempts: 2,
    initialDelayMs: 10,
    multiplier: 1,
    maxDelayMs: 10,
    jitter: 0,
    nonRetryable: [],
  };
  const run = aRun([waiting("A", [], { timeoutMs: 100, retry }), waiting("B", [], { timeoutMs: 100 })]);
  bringOnAt(run, 100, fired("A", "timeout"), fired("B", "timeout"));
  expect(statesOf(run)).toEqual({ A: "pending", B: "failed" });
  bringOnAt(run, 105, signalled("paid", 1));
  expect(run.signals).toHaveLength(1);
  bringOnAt(run, 110, fired("A", "retry"));
  expect(taskOfNode(run, "A")).toMatchObject({ state: "completed", attempt: 2, output: { payload: 1 } });
  const cancelled = aRun([waiting("A"), aNode("B")], cancel);
  expect([...(cancelled.awaiting.get("paid") ?? [])]).toEqual([]);
});
