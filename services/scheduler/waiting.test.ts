import { describe, expect, test } from "vitest";
import {
  aNode,
  aRun,
  aStart,
  asked,
  at,
  begun,
  bringOn,
  bringOnAt,
  completed,
  failed,
  later,
  leased,
  pause,
  resume,
  taskOfNode,
} from "../../test/support/a-run.ts";
import { type WorkerOffer, waitOf, waitsOf } from "./waiting.ts";

const anOffer = (more: Partial<WorkerOffer> = {}): WorkerOffer => ({
  handlers: ["noop"],
  queues: [""],
  labels: {},
  slots: 4,
  held: 1,
  ...more,
});

/** The reasons of a run's waits, with their tasks. */
const reasons = (run: Parameters<typeof waitsOf>[0], offers: readonly WorkerOffer[] = []) =>
  waitsOf(run, offers).map(({ reason, task }) => `${task?.name ?? "run"} ${reason}`);

describe("why a task waits", () => {
  test("is that no living worker offers its handler", () => {
    const run = aRun([aNode("A")]);
    const task = taskOfNode(run, "A");
    expect(waitOf(run, task, [anOffer({ handlers: ["program"] })])).toMatchObject({
      reason: "NO_WORKER",
      message: "no living worker offers noop",
      since: at,
    });
    expect(waitOf(run, task, [anOffer(), anOffer({ slots: 2, held: 2 })])).toMatchObject({
      reason: "WORKER_BUSY",
      message: "workers that offer noop: 2, with 3 free places",
    });
  });

  test("is that those who do serve another queue or lack a label", () => {
    const run = aRun([aNode("A", [], { queue: "gpu", labels: { zone: "a" } })]);
    const task = taskOfNode(run, "A");
    const reasonWith = (offer: Partial<WorkerOffer>) => waitOf(run, task, [anOffer(offer)])?.reason;
    expect(reasonWith({})).toBe("NO_WORKER");
    expect(reasonWith({ queues: ["gpu"] })).toBe("NO_WORKER");
    expect(reasonWith({ queues: ["gpu"], labels: { zone: "b" } })).toBe("NO_WORKER");
    expect(reasonWith({ queues: ["", "gpu"], labels: { zone: "a", disk: "ssd" } })).toBe("WORKER_BUSY");
  });

  test("ends with the time of a question, or of the attempt that asked where that is over before", () => {
    const untilOf = (timeoutMs: number) => {
      const config = { file_name: "a.py", prompt_timeout_ms: 5_000 };
      const run = aRun(
        [aNode("A", [], { handler: "program", config, timeoutMs })],
        leased("A"),
        asked("A", "p1"),
      );
      return waitOf(run, taskOfNode(run, "A"), []);
    };
    expect(untilOf(60_000)).toMatchObject({ reason: "PROMPT", until: later(5_000) });
    expect(untilOf(1_000)).toMatchObject({ reason: "PROMPT", until: later(1_000) });
  });

  test("ends with its patience for a worker", () => {
    const run = aRun([aNode("A", [], { queueTimeoutMs: 60_000 })]);
    expect(waitOf(run, taskOfNode(run, "A"), [])?.until).toEqual(later(60_000));
  });

  test("is a question, since the oldest that is open", () => {
    const run = aRun([aNode("A")], leased("A"));
    bringOnAt(run, 5_000, asked("A", "p"));
    bringOnAt(run, 6_000, asked("A", "q", { report: 3 }));
    expect(waitOf(run, taskOfNode(run, "A"), [])).toMatchObject({ reason: "PROMPT", since: later(5_000) });
  });

  test("is nothing while it is carried out, when it has ended, and when it depends on others", () => {
    const run = aRun([aNode("A"), aNode("B", ["A"])], leased("A"));
    expect(waitOf(run, taskOfNode(run, "A"), [])).toBeUndefined();
    expect(waitOf(run, taskOfNode(run, "B"), [])).toBeUndefined();
    bringOn(run, completed("A", { report: 2 }));
    expect(waitOf(run, taskOfNode(run, "A"), [])).toBeUndefined();
  });

  test("is the delay before its next attempt", () => {
    const retry = {
      maxAttempts: 3,
      initialDelayMs: 10_000,
      multiplier: 2,
      maxDelayMs: 60_000,
      jitter: 0,
      nonRetryable: [],
    };
    const run = aRun([aNode("A", [], { retry })], leased("A"));
    bringOn(run, failed("A", { report: 2, reason: "EXIT_CODE" }));
    expect(waitOf(run, taskOfNode(run, "A"), [])).toMatchObject({
      reason: "RETRY",
      message: "attempt 2 follows EXIT_CODE",
      until: later(10_000),
    });
  });

  test("is a sleep, a signal, or another run, and ends with its time limit", () => {
    const run = aRun([
      aNode("sleeps", [], { handler: "sleep", config: { duration: "1m" } }),
      aNode("listens", [], { handler: "wait_for_signal", config: { signal: "paid" }, timeoutMs: 5_000 }),
      aNode("calls", [], { handler: "workflow", config: { workflow_name: "billing" } }),
      aNode("asks", [], { handler: "approval", config: { prompt: "Deploy?" } }),
    ]);
    expect(waitOf(run, taskOfNode(run, "sleeps"), [])).toMatchObject({
      reason: "SLEEP",
      until: later(60_000),
    });
    expect(waitOf(run, taskOfNode(run, "listens"), [])).toMatchObject({
      reason: "SIGNAL",
      message: "waits for the signal paid",
      until: later(5_000),
    });
    const calls = taskOfNode(run, "calls");
    expect(waitOf(run, calls, [])).toMatchObject({
      reason: "CHILD_RUN",
      message: `waits for the end of run ${calls.childRunId}`,
    });
    expect(waitOf(run, taskOfNode(run, "asks"), [])?.reason).toBe("PROMPT");
  });

  test("is the bound on items that are carried out at once", () => {
    const run = aRun([aNode("A", [], { forEach: { items: [1, 2, 3], maxParallel: 2 } })]);
    expect(waitOf(run, taskOfNode(run, "A.1"), [])?.reason).toBe("NO_WORKER");
    expect(waitOf(run, taskOfNode(run, "A.2"), [])?.reason).toBe("ITEM_LIMIT");
    expect(waitOf(run, taskOfNode(run, "A"), [])).toBeUndefined();
    expect(reasons(run)).toEqual(["A.0 NO_WORKER", "A.1 NO_WORKER"]);
  });

  test("is that its run is held or paused", () => {
    const run = begun(aStart([aNode("A"), aNode("B", ["A"])], { hold: true }));
    expect(waitOf(run, taskOfNode(run, "A"), [])).toMatchObject({ reason: "HELD", since: at });
    expect(waitOf(run, taskOfNode(run, "B"), [])).toBeUndefined();
    expect(reasons(run)).toEqual(["run HELD"]);
    bringOn(run, resume);
    expect(reasons(run)).toEqual(["A NO_WORKER"]);
    bringOn(run, pause);
    expect(reasons(run)).toEqual(["run PAUSED"]);
  });
});

describe("why a run waits", () => {
  test("is what its tasks wait for, what waits longest first", () => {
    const run = aRun([aNode("A"), aNode("B"), aNode("C", ["A"])]);
    bringOnAt(run, 1_000, leased("B"), asked("B", "p"));
    bringOnAt(run, 2_000, leased("A"), completed("A", { report: 2 }));
    expect(reasons(run)).toEqual(["B PROMPT", "C NO_WORKER"]);
  });

  test("is told twenty times at most", () => {
    expect(waitsOf(aRun(Array.from({ length: 50 }, (_, n) => aNode(`n${n}`))), [])).toHaveLength(20);
  });

  test("is nothing when it has ended", () => {
    const run = aRun([aNode("A")], completed("A"));
    expect(waitsOf(run, [])).toEqual([]);
  });
});
