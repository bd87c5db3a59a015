import { describe, expect, test } from "vitest";
import {
  aLease,
  aNode,
  aRun,
  aStart,
  asked,
  at,
  bringOn,
  completed,
  leased,
  taskOfNode,
} from "../../../test/support/a-run.ts";
import type { Fact } from "./event.ts";
import { begin, evolve, readyTasks } from "./evolve.ts";

describe("evolve", () => {
  test("takes events in their order only, and only what can happen", () => {
    const run = aRun([aNode("A")]);
    expect(() => evolve(run, { ...completed("A"), seq: 3, at })).toThrow("event 3 after 1");
    expect(() => bringOn(run, aStart([aNode("A")]))).toThrow("started twice");
    run.seq = 1;
    expect(() => bringOn(run, completed("A", { attempt: 2 }))).toThrow("attempt 2 of A");
    run.seq = 1;
    expect(() => bringOn(run, { type: "task_started", nodeId: "Z", attempt: 1, report: 1 })).toThrow("of Z");
    run.seq = 1;
    const unknown = { promptId: "none", answeredBy: "alice", requestId: "r" };
    expect(() => bringOn(run, { type: "prompt_answered", nodeId: "A", attempt: 1, ...unknown })).toThrow(
      "no prompt none",
    );
    expect(() => begin("x", { ...completed("A"), seq: 1, at })).toThrow("begins with task_ended");
  });

  test("refuses a step that the table of states does not have", () => {
    const run = aRun([aNode("A")], leased("A"), asked("A", "p1"));
    taskOfNode(run, "A").state = "pending";
    const lease = aLease({ sealKey: "k" });
    expect(() => bringOn(run, { type: "task_leased", nodeId: "A", attempt: 1, report: 3, lease })).toThrow(
      "can not go from pending to starting",
    );
  });

  test("ends everything of a run that the store refuses", () => {
    const run = aRun([aNode("A"), aNode("B", ["A"])], leased("A"), asked("A", "p1"));
    bringOn(run, { type: "run_refused", message: "refused" });
    expect(run.state).toBe("failed");
    expect(run.failure).toMatchObject({ reason: "REFUSED_BY_STORE", message: "refused" });
    expect(run.tasks.map(({ state }) => state)).toEqual(["failed", "failed"]);
    expect(taskOfNode(run, "A").prompts).toMatchObject([{ state: "attempt_ended" }]);
  });

  test("keeps what ended as it is when a refusal comes after", () => {
    const run = aRun([aNode("A"), aNode("B", ["A"])], completed("A"));
    bringOn(run, { type: "run_refused", message: "refused" });
    expect(run.tasks.map(({ state }) => state)).toEqual(["completed", "failed"]);
  });

  test("keeps a run cancelled that has a failure too, and completed when the cancel came too late", () => {
    const cancel = { type: "cancel_requested", clientId: "alice", requestId: "c" } as const;
    const failed = {
      ...completed("A"),
      outcome: { kind: "failed", reason: "R", message: "m", exitCode: 3 } as const,
    };
    const mixed = aRun([aNode("A"), aNode("B")], leased("A"), cancel);
    bringOn(mixed, failed);
    expect(mixed.state).toBe("cancelled");
    expect(taskOfNode(mixed, "A").failure).toMatchObject({ exitCode: 3, nodeId: "A" });
    const late = aRun([aNode("A")], leased("A"), cancel, completed("A", { report: 2 }));
    expect(late.state).toBe("completed");
  });

  test("cancels what would become ready after a cancel", () => {
    const run = aRun([aNode("A"), aNode("B", ["A"])], leased("A"));
    bringOn(
      run,
      { type: "cancel_requested", clientId: "alice", requestId: "c" },
      completed("A", { report: 2 }),
    );
    expect(run.tasks.map(({ state }) => state)).toEqual(["completed", "cancelled"]);
    expect(run.state).toBe("cancelled");
  });

  test("cancels what depends on a task that its worker gave up unasked", () => {
    const run = aRun([aNode("A"), aNode("B", ["A"])], leased("A"));
    bringOn(run, { ...completed("A", { report: 2 }), outcome: { kind: "cancelled" } } as Fact);
    expect(run.tasks.map(({ state }) => state)).toEqual(["cancelled", "cancelled"]);
  });

  test("knows which tasks wait for a worker", () => {
    const run = aRun([aNode("A"), aNode("B", ["A"])], completed("A"));
    expect(readyTasks(run).map(({ task }) => task)).toEqual([taskOfNode(run, "B")]);
  });

  test("fails a task whose template has no value, and skips what depends on it", () => {
    const config = { x: "{{ A.missing }}" };
    const run = aRun([aNode("A"), aNode("B", ["A"], { config }), aNode("C", ["B"])], completed("A"));
    expect(taskOfNode(run, "B").failure).toMatchObject({
      reason: "TEMPLATE_FAILED",
      message: "{{ A.missing }} has no value",
    });
    expect(taskOfNode(run, "C")).toMatchObject({ state: "skipped", failure: { nodeId: "B" } });
    expect(readyTasks(run)).toEqual([]);
  });
});
