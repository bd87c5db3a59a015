import { describe, expect, test } from "vitest";
import {
  aLease,
  aNode,
  answered,
  aRun,
  aStart,
  asked,
  at,
  bringOn,
  bringOnAt,
  completed,
  failed,
  fired,
  lapsed,
  later,
  leased,
  pause,
  taskOfNode,
} from "../../../test/support/a-run.ts";
import { decideLapse, decideReport, type Report } from "./decide-report.ts";
import type { NodeDefinition } from "./definition.ts";
import type { Fact } from "./event.ts";
import { begin, evolve, maxLostAttempts, readyTasks } from "./evolve.ts";

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

  test("knows which tasks wait for a worker, none while the run is held or paused", () => {
    const run = aRun([aNode("A"), aNode("B", ["A"])], completed("A"));
    expect(readyTasks(run).map(({ task }) => task)).toEqual([taskOfNode(run, "B")]);
    bringOn(run, pause);
    expect(readyTasks(run)).toEqual([]);
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

describe("a time limit", () => {
  const limited = (more: Partial<NodeDefinition> = {}) => aNode("A", [], { timeoutMs: 50, ...more });
  const timerAfter = (...facts: Fact[]) => taskOfNode(aRun([limited()], ...facts), "A").timer;
  const program = aLease({ sealKey: "k" });
  const started: Fact = { type: "task_started", nodeId: "A", attempt: 1, report: 2 };

  test("begins when the attempt does: of a program when it has started, not while it is prepared", () => {
    expect(timerAfter()).toBeUndefined();
    expect(timerAfter(leased("A"))).toEqual({ kind: "timeout", at: later(50) });
    expect(timerAfter(leased("A", 1, program))).toBeUndefined();
    expect(timerAfter(leased("A", 1, program), started)).toEqual({ kind: "timeout", at: later(50) });
  });

  test("is counted from the lease of what needs no preparation, whatever is reported later", () => {
    const run = aRun([limited()], leased("A"));
    bringOnAt(run, 40, started);
    expect(taskOfNode(run, "A")).toMatchObject({ state: "running", timer: { at: later(50) } });
  });

  test("begins with a program that asked before it said that it has started, and goes on waiting", () => {
    const run = aRun([limited()], leased("A", 1, program), asked("A", "p1"), { ...started, report: 3 });
    expect(taskOfNode(run, "A")).toMatchObject({ state: "waiting_for_input", timer: { kind: "timeout" } });
    bringOn(run, answered("A", "p1", "x"));
    expect(taskOfNode(run, "A").state).toBe("running");
  });

  test("goes on while a question is open, and is over with the attempt", () => {
    expect(timerAfter(leased("A"), asked("A", "p1"))).toEqual({ kind: "timeout", at: later(50) });
    expect(timerAfter(leased("A"), lapsed("A"))).toBeUndefined();
    expect(timerAfter(leased("A"), completed("A", { report: 2 }))).toBeUndefined();
  });

  test.each(["running", "starting and asking", "waiting for input"])(
    "ends an attempt that is %s",
    (phase) => {
      const facts: Record<string, Fact[]> = {
        running: [leased("A")],
        "starting and asking": [leased("A", 1, program), started, asked("A", "p1", { report: 3 })],
        "waiting for input": [leased("A"), asked("A", "p1")],
      };
      const run = aRun([limited()], ...(facts[phase] ?? []), fired("A", "timeout"));
      expect(taskOfNode(run, "A")).toMatchObject({
        state: "failed",
        isRevoked: true,
        failure: { reason: "TIMED_OUT", message: "the attempt took longer than 50 ms" },
      });
      expect(taskOfNode(run, "A").prompts.every(({ state }) => state === "attempt_ended")).toBe(true);
    },
  );

  test("of an attempt leaves nothing of it to count: neither reports of it nor its lease", () => {
    const retry = {
      maxAttempts: 2,
      initialDelayMs: 9,
      multiplier: 1,
      maxDelayMs: 9,
      jitter: 0,
      nonRetryable: [],
    };
    const run = aRun([limited({ retry })], leased("A"), fired("A", "timeout"));
    const late: Report = {
      nodeId: "A",
      attempt: 1,
      number: 2,
      lease: aLease(),
      word: { kind: "ended", outcome: { kind: "completed", output: 1 }, lastSeq: 0, files: [] },
    };
    expect(decideReport(run, late).kind).toBe("lost");
    expect(decideReport(run, { ...late, number: 1 }).kind).toBe("lost");
    expect(decideLapse(run, { nodeId: "A", attempt: 1, token: "t1" })).toEqual([]);
    bringOn(run, fired("A", "retry"));
    expect(taskOfNode(run, "A")).toMatchObject({ state: "queued", attempt: 2, isRevoked: false });
    expect(decideReport(run, late).kind).toBe("lost");
  });

  test("of waiting for a worker begins anew with each attempt, and ends when one takes it", () => {
    const nodes = [aNode("A", [], { queueTimeoutMs: 50 })];
    expect(taskOfNode(aRun(nodes), "A").timer).toEqual({ kind: "queue_timeout", at: later(50) });
    expect(taskOfNode(aRun(nodes, leased("A")), "A").timer).toBeUndefined();
    const again = aRun(nodes, leased("A"));
    bringOnAt(again, 30, lapsed("A"));
    expect(taskOfNode(again, "A").timer).toEqual({ kind: "queue_timeout", at: later(80) });
  });
});

describe("attempts that are lost with their workers", () => {
  test("are counted apart from those that fail", () => {
    const retry = {
      maxAttempts: 2,
      initialDelayMs: 9,
      multiplier: 1,
      maxDelayMs: 9,
      jitter: 0,
      nonRetryable: [],
    };
    const run = aRun([aNode("A", [], { retry })]);
    for (let attempt = 1; attempt <= maxLostAttempts; attempt += 1) {
      expect(bringOn(run, leased("A", attempt), lapsed("A", attempt))).toEqual([`A#${attempt + 1}`]);
    }
    const last = maxLostAttempts + 1;
    bringOn(run, failed("A", { attempt: last }), fired("A", "retry", last));
    expect(taskOfNode(run, "A")).toMatchObject({
      state: "queued",
      attempt: last + 1,
      lostCount: maxLostAttempts,
      failedCount: 1,
    });
    bringOn(run, leased("A", last + 1), lapsed("A", last + 1));
    // One more than may be, although one failure was to be borne.
    expect(run.failure).toMatchObject({ reason: "WORKER_LOST", message: "the worker was lost 11 times" });
  });
});
