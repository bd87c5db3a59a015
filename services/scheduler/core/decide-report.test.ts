import { describe, expect, test } from "vitest";
import {
  aLease,
  aNode,
  aRun,
  asked,
  bringOn,
  completed,
  leased,
  taskOfNode,
} from "../../../test/support/a-run.ts";
import { decideHeld, decideLapse, decideReport, type Report } from "./decide-report.ts";
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
