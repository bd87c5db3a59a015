import { describe, expect, test } from "vitest";
import {
  aNode,
  aRun,
  aStart,
  begun,
  bringOn,
  bringOnAt,
  cancel,
  completed,
  failed,
  fired,
  lapsed,
  later,
  leased,
  pause,
  resume,
  statesOf,
  taskOfNode,
} from "../../../test/support/a-run.ts";
import type { RetryPolicy } from "./definition.ts";
import type { Fact } from "./event.ts";
import { evolve } from "./evolve.ts";
import { maxEvents } from "./run.ts";

const retry: RetryPolicy = {
  maxAttempts: 2,
  initialDelayMs: 100,
  multiplier: 1,
  maxDelayMs: 100,
  jitter: 0,
  nonRetryable: [],
};

test("a run whose outputs are too large together fails the node that brings one more", () => {
  const large = "x".repeat(1024 * 1024);
  const nodes = Array.from({ length: 70 }, (_, index) => aNode(`A${index}`));
  const run = aRun(nodes);
  for (const { id } of nodes) bringOn(run, completed(id, { output: large as never }));
  const failed = nodes.filter(({ id }) => taskOfNode(run, id).state === "failed");
  expect(failed).toHaveLength(7);
  expect(run).toMatchObject({ state: "failed", failure: { reason: "OUTPUT_LIMIT", nodeId: "A63" } });
});

describe("conditions", () => {
  test("that one fact leads to take so many steps together at most; those after fail their nodes", () => {
    const list = Array.from({ length: 20_000 }, (_, index) => index);
    const when = "A.list.all(a, a >= 0 && a < 1000000)";
    const nodes = [
      aNode("A"),
      ...Array.from({ length: 60 }, (_, index) => aNode(`B${index}`, ["A"], { when })),
    ];
    const run = aRun(nodes);
    bringOn(run, completed("A", { output: { list } as never }));
    expect(taskOfNode(run, "B0").state).toBe("queued");
    expect(taskOfNode(run, "B59")).toMatchObject({
      state: "failed",
      failure: {
        reason: "CONDITION_FAILED",
        message: "takes, with the conditions before it, more than 5000000 steps",
      },
    });
  });
});

describe("dependents", () => {
  test("begin when the last of what they depend on has ended, once", () => {
    const run = aRun([aNode("A"), aNode("B"), aNode("C", ["A", "B", "A"])]);
    expect(bringOn(run, completed("B"))).toEqual([]);
    expect(bringOn(run, completed("A"))).toEqual(["C#1"]);
  });

  test("are skipped in a chain when nothing that they depend on was taken, and the run completes", () => {
    const nodes = [aNode("A", [], { when: "false" }), aNode("B", ["A"]), aNode("C", ["B"])];
    const run = aRun(nodes);
    expect(statesOf(run)).toEqual({ A: "skipped", B: "skipped", C: "skipped" });
    expect(run).toMatchObject({ state: "completed", failure: undefined, unfinished: 0 });
    expect(run.tasks.map(({ failure }) => failure?.reason)).toEqual([
      "CONDITION_FALSE",
      "DEPENDENCIES_SKIPPED",
      "DEPENDENCIES_SKIPPED",
    ]);
  });

  test("begin when one branch was taken and the others were not, whichever ends first", () => {
    const nodes = [
      aNode("A"),
      aNode("B", [], { when: "input.b" }),
      aNode("C", ["B"]),
      aNode("D", ["A", "C"], { config: { c: '{{ C.x | default("none") }}' } }),
    ];
    const skippedFirst = begun(aStart(nodes, { input: { b: false } }));
    expect(bringOn(skippedFirst, completed("A"))).toEqual(["D#1"]);
    const takenFirst = begun(aStart(nodes, { input: { b: true } }), completed("A"), completed("B"));
    expect(bringOn(takenFirst, completed("C"))).toEqual(["D#1"]);
  });

  test("are skipped at once when one of them failed, even if another was skipped mildly or is not settled", () => {
    const nodes = [
      aNode("A"),
      aNode("B", [], { when: "false" }),
      aNode("C"),
      aNode("D", ["A", "B", "C"]),
      aNode("E", ["D", "C"]),
    ];
    const run = aRun(nodes, failed("A"));
    expect(statesOf(run)).toEqual({ A: "failed", B: "skipped", C: "queued", D: "skipped", E: "skipped" });
    expect(taskOfNode(run, "E").failure).toEqual({
      reason: "DEPENDENCY_FAILED",
      message: "A did not complete",
      nodeId: "A",
    });
    expect(run.state).toBe("running");
    bringOn(run, completed("C"));
    expect(run).toMatchObject({ state: "failed", failure: { nodeId: "A", reason: "BROKEN" } });
  });

  test("go on with a failure that is borne, and are skipped for one that skips them; the run completes", () => {
    const borne = aRun([aNode("A", [], { onFailure: "continue" }), aNode("B", ["A"])]);
    expect(bringOn(borne, failed("A"))).toEqual(["B#1"]);
    bringOn(borne, completed("B"));
    const skipping = aRun([aNode("A", [], { onFailure: "skip_dependents" }), aNode("B", ["A"]), aNode("C")]);
    bringOn(skipping, failed("A"), completed("C"));
    expect(statesOf(skipping)).toEqual({ A: "failed", B: "skipped", C: "completed" });
    expect([borne, skipping].map(({ state, failure }) => ({ state, failure }))).toEqual(
      Array.from({ length: 2 }, () => ({ state: "completed", failure: undefined })),
    );
  });

  test("the run fails for the first failed node of the definition whose failure counts", () => {
    const nodes = [
      aNode("A", [], { onFailure: "continue" }),
      aNode("B"),
      aNode("C"),
      aNode("D", ["B"], { onFailure: "continue" }),
    ];
    const run = aRun(nodes, failed("A"), failed("C", { reason: "LATER" }), failed("B"));
    expect(run.failure).toMatchObject({ nodeId: "B", reason: "BROKEN" });
  });
});

describe("a condition", () => {
  test("that can not be decided fails its node, which policies for failure may bear", () => {
    const when = "input.x > 1";
    const run = aRun([aNode("A", [], { when, retry })]);
    expect(run).toMatchObject({ state: "failed", failure: { reason: "CONDITION_FAILED", nodeId: "A" } });
    const borne = aRun([aNode("A", [], { when, onFailure: "continue" }), aNode("B", ["A"])]);
    expect(statesOf(borne)).toEqual({ A: "failed", B: "queued" });
  });

  test("is asked before the first attempt only", () => {
    const run = aRun([aNode("A", [], { when: "true", retry })], leased("A"), lapsed("A"));
    expect(taskOfNode(run, "A")).toMatchObject({ state: "queued", attempt: 2 });
  });
});

describe("an attempt", () => {
  test("that failed is followed by the next when its delay is over, as often as the policy says", () => {
    const run = aRun([aNode("A", [], { retry }), aNode("B", ["A"])]);
    expect(bringOnAt(run, 10, failed("A"))).toEqual([]);
    expect(taskOfNode(run, "A")).toMatchObject({
      state: "pending",
      attempt: 1,
      failedCount: 1,
      lastFailure: { reason: "BROKEN" },
      timer: { kind: "retry", at: later(110) },
    });
    expect(bringOnAt(run, 110, fired("A", "retry"))).toEqual(["A#2"]);
    bringOn(run, failed("A", { attempt: 2, reason: "AGAIN" }));
    expect(taskOfNode(run, "A")).toMatchObject({ failure: { reason: "AGAIN" }, failedCount: 2 });
    expect(statesOf(run)).toEqual({ A: "failed", B: "skipped" });
  });

  test("without a delay is followed at once, but not in a run that is paused", () => {
    const at0 = { ...retry, initialDelayMs: 0 };
    expect(bringOn(aRun([aNode("A", [], { retry: at0 })]), failed("A"))).toEqual(["A#2"]);
    const run = aRun([aNode("A", [], { retry: at0 })], leased("A"), pause);
    expect(bringOn(run, failed("A", { report: 2 }))).toEqual([]);
    expect(taskOfNode(run, "A")).toMatchObject({ state: "pending", isHeld: true, attempt: 1 });
    expect(bringOn(run, resume)).toEqual(["A#2"]);
  });

  test("is not followed when the failure is final, the run is cancelled, or has as many events as it may", () => {
    const nodes = [aNode("A", [], { retry })];
    const stateAfter = (...facts: Fact[]) => aRun(nodes, leased("A"), ...facts).state;
    expect(stateAfter(failed("A", { report: 2, nonRetryable: true }))).toBe("failed");
    expect(stateAfter(cancel, failed("A", { report: 2 }))).toBe("failed");
    const full = aRun(nodes, leased("A"));
    full.seq = maxEvents;
    bringOn(full, failed("A", { report: 2 }));
    expect(full.state).toBe("failed");
  });

  test("that is waited for is not begun any more after a cancel", () => {
    const run = aRun([aNode("A", [], { retry })], failed("A"), cancel);
    expect(taskOfNode(run, "A")).toMatchObject({ state: "cancelled", timer: undefined });
    expect(run.state).toBe("cancelled");
  });

  test("whose template has no value fails for good, whatever the policy", () => {
    const nodes = [aNode("A", [], { config: { x: "{{ input.x }}" }, retry })];
    expect(aRun(nodes)).toMatchObject({ state: "failed", failure: { reason: "TEMPLATE_FAILED" } });
  });
});

describe("a paused run", () => {
  test("begins nothing, and everything that waited for it when it goes on", () => {
    const run = aRun([aNode("A"), aNode("B", ["A"]), aNode("C", [], { retry })], failed("C"), pause);
    expect(bringOn(run, completed("A"), fired("C", "retry"))).toEqual([]);
    expect(statesOf(run)).toEqual({ A: "completed", B: "pending", C: "pending" });
    expect(run.tasks.map(({ isHeld }) => isHeld)).toEqual([false, true, true]);
    expect(bringOn(run, resume)).toEqual(["B#1", "C#2"]);
    expect(run.tasks.some(({ isHeld }) => isHeld)).toBe(false);
  });

  test("counts no time in which its tasks wait for a worker, and hands them out anew", () => {
    const run = aRun([aNode("A", [], { queueTimeoutMs: 50 }), aNode("B")]);
    bringOnAt(run, 40, pause);
    expect(taskOfNode(run, "A")).toMatchObject({ state: "queued", timer: undefined });
    expect(bringOnAt(run, 1_000, resume)).toEqual(["A#1", "B#1"]);
    expect(taskOfNode(run, "A")).toMatchObject({ attempt: 1, timer: { at: later(1_050) } });
    bringOnAt(run, 1_050, fired("A", "queue_timeout"));
    expect(taskOfNode(run, "A").failure?.reason).toBe("QUEUE_TIMEOUT");
  });

  // Pins a limit that never came: whoever keeps the clocks was not told that it had begun anew.
  test("says that its tasks wait anew, so that their limits are watched", () => {
    const run = aRun([aNode("A", [], { queueTimeoutMs: 50 })]);
    const changedBy = (fact: Fact) => {
      return [...evolve(run, { ...fact, seq: run.seq + 1, at: later(10) }).changed].map(({ name }) => name);
    };
    expect([changedBy(pause), changedBy(resume)]).toEqual([["A"], ["A"]]);
  });

  test("keeps what lost its worker back, and takes nothing from the former worker", () => {
    const run = aRun([aNode("A")], leased("A"), pause, lapsed("A"));
    expect(taskOfNode(run, "A")).toMatchObject({ state: "pending", isHeld: true, lostCount: 1 });
    expect(bringOn(run, resume)).toEqual(["A#2"]);
  });

  test("ends when what goes on was the last, and when it is cancelled", () => {
    expect(aRun([aNode("A")], leased("A"), pause, completed("A", { report: 2 })).state).toBe("completed");
    expect(aRun([aNode("A"), aNode("B", ["A"])], completed("A"), pause, cancel).state).toBe("cancelled");
  });
});

describe("a held run", () => {
  test("begins nothing at all until it is resumed, and may be cancelled before", () => {
    const start = aStart([aNode("A"), aNode("B", [], { when: "false" }), aNode("C", ["B"])], { hold: true });
    const run = begun(start);
    expect([run.state, statesOf(run)]).toEqual(["pending", { A: "pending", B: "pending", C: "pending" }]);
    expect(bringOn(run, resume)).toEqual(["A#1"]);
    expect([run.state, statesOf(run)]).toEqual(["running", { A: "queued", B: "skipped", C: "skipped" }]);
    expect(begun(start, cancel).state).toBe("cancelled");
  });
});

describe("the node for failures", () => {
  const start = (more = {}, nodes = [aNode("A"), aNode("B")]) =>
    aStart([...nodes, aNode("H", [], { config: { why: "{{ run.failure.reason }}" }, ...more })], {
      onFailure: "H",
    });

  test("is skipped when the run does not fail", () => {
    const run = begun(start(), completed("A"), completed("B"));
    expect(run.state).toBe("completed");
    expect(taskOfNode(run, "H")).toMatchObject({ state: "skipped", failure: { reason: "NOT_NEEDED" } });
    const borne = begun(start({}, [aNode("A", [], { onFailure: "continue" })]), failed("A"));
    expect([borne.state, statesOf(borne)["H"]]).toEqual(["completed", "skipped"]);
  });

  test("begins when everything else has ended, and the run fails after it", () => {
    const run = begun(start());
    expect(bringOn(run, failed("A"))).toEqual([]);
    expect(bringOn(run, completed("B"))).toEqual(["H#1"]);
    expect([run.state, run.unfinished]).toEqual(["running", 1]);
    bringOn(run, completed("H"));
    expect(run).toMatchObject({ state: "failed", failure: { nodeId: "A" }, unfinished: 0 });
  });

  test("may fail itself, which changes nothing of why the run failed", () => {
    const run = begun(start({ retry }), failed("A"), completed("B"), failed("H", { reason: "WORSE" }));
    expect(run.state).toBe("running");
    bringOn(run, fired("H", "retry"), failed("H", { attempt: 2, reason: "WORSE" }));
    expect(run).toMatchObject({ state: "failed", failure: { nodeId: "A", reason: "BROKEN" } });
    const unresolved = begun(start({ config: { x: "{{ B.x }}" } }), failed("A"), completed("B"));
    expect(unresolved).toMatchObject({ state: "failed", failure: { nodeId: "A" } });
  });

  test("is cancelled with the run, before and while it is carried out", () => {
    const before = begun(start(), failed("A"), cancel);
    expect([before.state, statesOf(before)["H"]]).toEqual(["cancelled", "cancelled"]);
    const during = begun(start(), failed("A"), completed("B"), leased("H"), cancel);
    expect(during.state).toBe("running");
    bringOn(during, lapsed("H"));
    expect(during.state).toBe("cancelled");
  });

  test("is skipped when a task was given up unasked, for the run is cancelled then", () => {
    const given = { ...completed("B"), outcome: { kind: "cancelled" } } as Fact;
    const run = begun(start(), failed("A"), given);
    expect([run.state, statesOf(run)["H"]]).toEqual(["cancelled", "skipped"]);
  });

  test("waits in a paused run until that goes on, and may be lost with its worker", () => {
    const run = begun(start(), completed("B"), leased("A"), pause, failed("A", { report: 2 }));
    expect([run.state, statesOf(run)["H"]]).toEqual(["paused", "pending"]);
    expect(bringOn(run, resume)).toEqual(["H#1"]);
    expect(bringOn(run, leased("H"), lapsed("H"))).toEqual(["H#2"]);
  });

  test("may be a list", () => {
    const forEach = { items: [1, 2], maxParallel: 1 };
    const run = begun(start({ forEach }), failed("A"));
    expect(bringOn(run, completed("B"))).toEqual(["H.0#1"]);
    expect(bringOn(run, completed("H.0"))).toEqual(["H.1#1"]);
    bringOn(run, completed("H.1"));
    expect(run.state).toBe("failed");
    expect(taskOfNode(run, "H").state).toBe("completed");
    const empty = begun(start({ forEach: { items: [] } }), failed("A"), completed("B"));
    expect([empty.state, statesOf(empty)["H"]]).toEqual(["failed", "completed"]);
  });
});
