import { describe, expect, test } from "vitest";
import {
  aLease,
  aNode,
  answered,
  aRun,
  asked,
  bringOn,
  completed,
  lapsed,
  leased,
  pause,
  taskOfNode,
} from "../../../test/support/a-run.ts";
import { decideHeld, decideLapse, decideReport, type Report } from "./decide-report.ts";
import type { Fact } from "./event.ts";
import { maxEvents, type Run } from "./run.ts";

const report = (word: Report["word"], more: Partial<Report> = {}): Report => ({
  nodeId: "A",
  attempt: 1,
  number: 1,
  lease: aLease(),
  word,
  ...more,
});

const ended: Report["word"] = {
  kind: "ended",
  outcome: { kind: "completed", output: 1 },
  lastSeq: 3,
  files: [],
};
const opened: Report["word"] = { kind: "prompt_opened", promptId: "p1", text: "?", password: false };
const received: Report["word"] = {
  kind: "sealed_answer_received",
  promptId: "p1",
  answeredBy: "bob",
  requestId: "r",
};

/** Decides and applies. */
function say(run: Run, message: Report) {
  const decision = decideReport(run, message);
  if (decision.kind === "applied") bringOn(run, ...decision.facts);
  return decision.kind;
}

describe("decideReport", () => {
  test("carries a program from its lease over a question to its end, each report once", () => {
    const run = aRun([aNode("A")]);
    const lease = aLease({ sealKey: "key" });
    const words: Report["word"][] = [
      { kind: "lease_requested" },
      { kind: "started" },
      opened,
      received,
      ended,
    ];
    const states = words.map((word, index) => {
      const message = report(word, { number: index + 1, lease });
      expect(say(run, message)).toBe("applied");
      expect(say(run, message)).toBe("repeated");
      return taskOfNode(run, "A").state;
    });
    expect(states).toEqual(["starting", "running", "waiting_for_input", "running", "completed"]);
    expect(run.state).toBe("completed");
    expect(taskOfNode(run, "A").lastSeqs.get(1)).toBe(3);
    expect(taskOfNode(run, "A").prompts).toMatchObject([
      { state: "answered", answeredBy: "bob", answer: undefined },
    ]);
  });

  test("gives the attempt to the first, by whatever it reports first", () => {
    for (const word of [{ kind: "started" }, opened, ended] as const) {
      const run = aRun([aNode("A")]);
      expect(say(run, report(word))).toBe("applied");
      expect(say(run, report(ended, { lease: aLease({ token: "other" }) }))).toBe("lost");
    }
  });

  test("waits for the report before", () => {
    const run = aRun([aNode("A")]);
    expect(say(run, report(ended, { number: 2 }))).toBe("early");
    expect(say(run, report({ kind: "started" }))).toBe("applied");
    expect(say(run, report(ended, { number: 2 }))).toBe("applied");
  });

  test("knows no run, no node, no other attempt, and nothing after the end", () => {
    const run = aRun([aNode("A"), aNode("B", ["A"])]);
    expect(decideReport(undefined, report(ended)).kind).toBe("lost");
    expect(say(run, report(ended, { nodeId: "Z" }))).toBe("lost");
    expect(say(run, report(ended, { nodeId: "B" }))).toBe("lost");
    expect(say(run, report(ended, { attempt: 2 }))).toBe("lost");
    expect(say(run, report(ended))).toBe("applied");
    expect(say(run, report(opened, { number: 2 }))).toBe("lost");
  });

  test("refuses a second lease, a prompt id twice, and a receipt of what is not asked", () => {
    const run = aRun([aNode("A")], leased("A"));
    expect(say(run, report({ kind: "lease_requested" }, { number: 2 }))).toBe("lost");
    expect(say(run, report(received, { number: 2 }))).toBe("lost");
    bringOn(run, asked("A", "p1"));
    expect(say(run, report(opened, { number: 3 }))).toBe("lost");
  });

  test("ends a run that has too many events, by its name", () => {
    const run = aRun([aNode("A")], leased("A"));
    run.seq = maxEvents;
    expect(decideReport(run, report(opened, { number: 2 }))).toMatchObject({
      kind: "applied",
      facts: [{ type: "task_ended", outcome: { kind: "failed", reason: "EVENT_LIMIT" } }],
    });
    expect(decideReport(run, report(ended, { number: 2 }))).toMatchObject({
      facts: [{ outcome: { kind: "completed" } }],
    });
  });
});

describe("a replay of answers", () => {
  const question = (promptId: string, text: string, number: number, attempt: number): Report =>
    report({ kind: "prompt_opened", promptId, text, password: false }, { number, attempt });
  /** A run whose first attempt asked two questions, got answers, and was lost. */
  const after = (replayInput: boolean) =>
    aRun(
      [aNode("A", [], { replayInput })],
      leased("A"),
      { ...asked("A", "p1"), text: "Name?" } as Fact,
      answered("A", "p1", "Ada"),
      { ...asked("A", "p2", { report: 3 }), text: "Colour?" } as Fact,
      answered("A", "p2", "red"),
      lapsed("A"),
    );

  test("answers the same question at the same place as the attempt before got it, at once", () => {
    const run = after(true);
    expect(say(run, question("q1", "Name?", 1, 2))).toBe("applied");
    expect(taskOfNode(run, "A")).toMatchObject({ state: "running", attempt: 2 });
    expect(taskOfNode(run, "A").prompts.at(-1)).toMatchObject({
      promptId: "q1",
      state: "answered",
      answer: "Ada",
      answeredBy: "bob",
      requestId: "replay of p1",
    });
    expect(say(run, question("q2", "Size?", 2, 2))).toBe("applied");
    expect(taskOfNode(run, "A").state).toBe("waiting_for_input");
    expect(say(run, question("q3", "One more?", 3, 2))).toBe("applied");
  });

  test("asks again when the node does not want it, and a secret always", () => {
    const run = after(false);
    say(run, question("q1", "Name?", 1, 2));
    expect(taskOfNode(run, "A").state).toBe("waiting_for_input");
    const secret = after(true);
    const word = { kind: "prompt_opened", promptId: "q1", text: "Name?", password: true } as const;
    say(secret, report(word, { attempt: 2 }));
    expect(taskOfNode(secret, "A").state).toBe("waiting_for_input");
  });

  test("goes on from attempt to attempt", () => {
    const run = after(true);
    say(run, question("q1", "Name?", 1, 2));
    bringOn(run, lapsed("A", 2));
    say(run, question("r1", "Name?", 1, 3));
    expect(taskOfNode(run, "A").prompts.at(-1)).toMatchObject({ promptId: "r1", answer: "Ada" });
  });
});

describe("reports of attempts that are over", () => {
  test("are known when they ended the attempt, and lost else", () => {
    const retry = {
      maxAttempts: 2,
      initialDelayMs: 0,
      multiplier: 1,
      maxDelayMs: 0,
      jitter: 0,
      nonRetryable: [],
    };
    const run = aRun([aNode("A", [], { retry })], leased("A"));
    const failure: Report["word"] = { ...ended, outcome: { kind: "failed", reason: "R", message: "m" } };
    expect(say(run, report(failure, { number: 2 }))).toBe("applied");
    expect(taskOfNode(run, "A").attempt).toBe(2);
    expect(say(run, report(failure, { number: 2 }))).toBe("repeated");
    // Another worker that was handed the attempt besides would wait for its grant for ever.
    const lease = aLease({ token: "of another" });
    expect(say(run, report({ kind: "lease_requested" }, { lease }))).toBe("lost");
    const lost = aRun([aNode("A")], leased("A"), lapsed("A"));
    expect(say(lost, report(ended, { number: 2 }))).toBe("lost");
  });

  test("take no lease of what a paused run has queued, but count when the work was done", () => {
    const run = aRun([aNode("A")], pause);
    expect(say(run, report({ kind: "lease_requested" }))).toBe("lost");
    expect(say(run, report(ended))).toBe("applied");
    expect(run.state).toBe("completed");
  });
});

describe("an attempt that its worker gives back", () => {
  const released = { kind: "released" } as const;

  test("is followed by another at once, and not counted as lost", () => {
    const run = aRun([aNode("A")], leased("A"));
    expect(say(run, report(released, { number: 2 }))).toBe("applied");
    expect(taskOfNode(run, "A")).toMatchObject({
      state: "queued",
      attempt: 2,
      lostCount: 0,
      lease: undefined,
    });
    expect(say(run, report(released, { number: 2 }))).toBe("lost");
  });

  test("is no worker's when nobody holds it", () => {
    expect(say(aRun([aNode("A")]), report(released))).toBe("lost");
  });
});

describe("decideHeld", () => {
  test("takes the lease of a short handler that is still at work, once", () => {
    const run = aRun([aNode("A")]);
    const held = { nodeId: "A", attempt: 1, lease: aLease() };
    const facts = decideHeld(run, held);
    expect(facts).toMatchObject([{ type: "task_leased", report: 0 }]);
    bringOn(run, ...facts);
    expect(taskOfNode(run, "A").state).toBe("running");
    expect(decideHeld(run, held)).toEqual([]);
    expect(decideHeld(run, { ...held, nodeId: "Z" })).toEqual([]);
  });
});

describe("decideLapse", () => {
  const lapse = { nodeId: "A", attempt: 1, token: "t1" };

  test("opens the next attempt, and is nothing for what is not held any more", () => {
    const run = aRun([aNode("A")], leased("A"), asked("A", "p1"));
    const facts = decideLapse(run, lapse);
    expect(facts).toEqual([{ type: "lease_lapsed", nodeId: "A", attempt: 1, workerId: "w1" }]);
    bringOn(run, ...facts);
    expect(taskOfNode(run, "A")).toMatchObject({ state: "queued", attempt: 2, report: 0, lease: undefined });
    expect(taskOfNode(run, "A").prompts).toMatchObject([{ state: "attempt_ended" }]);
    expect(decideLapse(run, lapse)).toEqual([]);
    expect(decideLapse(run, { ...lapse, nodeId: "Z" })).toEqual([]);
    expect(decideLapse(aRun([aNode("A")], completed("A")), lapse)).toEqual([]);
  });

  test("fails a task whose workers were lost too often", () => {
    const run = aRun([aNode("A")]);
    for (let attempt = 1; attempt <= 11; attempt += 1) {
      bringOn(run, leased("A", attempt), { type: "lease_lapsed", nodeId: "A", attempt, workerId: "w1" });
    }
    expect(taskOfNode(run, "A").failure).toMatchObject({ reason: "WORKER_LOST" });
    expect(run.state).toBe("failed");
  });

  test("ends a cancelled task", () => {
    const run = aRun([aNode("A")], leased("A"), {
      type: "cancel_requested",
      clientId: "alice",
      requestId: "c",
    });
    bringOn(run, ...decideLapse(run, lapse));
    expect(run.state).toBe("cancelled");
  });
});
