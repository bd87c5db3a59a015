import { describe, expect, test } from "vitest";
import {
  aLease,
  aNode,
  aRun,
  asked,
  bringOn,
  bringOnAt,
  later,
  leased,
  taskOfNode,
} from "../../../test/support/a-run.ts";
import { answersOf } from "./answers.ts";
import { decideAnswer } from "./decide-command.ts";
import { decideReport, type Report } from "./decide-report.ts";
import { decidePromptTimeout, nextTimerOf } from "./next-timer.ts";
import type { Run } from "./run.ts";

const aProgram = (promptTimeoutMs?: number, more = {}) =>
  aNode("A", [], {
    handler: "program",
    config: {
      file_name: "a.py",
      ...(promptTimeoutMs !== undefined && { prompt_timeout_ms: promptTimeoutMs }),
    },
    ...more,
  });

/** A program that asks `p1` at once, and waits for a second. */
const asking = (password = false, more = {}): Run =>
  aRun([aProgram(1_000, more)], leased("A"), asked("A", "p1", { password }));

const over = (run: Run, promptId = "p1") => decidePromptTimeout(run, { name: "A", promptId }, later(1_000));

const answer = (text: string | undefined, requestId = "q1") => ({
  nodeId: "A",
  promptId: "p1",
  clientId: "alice",
  requestId,
  text,
});

describe("a question with a time", () => {
  test("is what its task waits for, until its time is over and not before", () => {
    const run = asking();
    expect(nextTimerOf(taskOfNode(run, "A"))).toEqual({ kind: "prompt", at: later(1_000), promptId: "p1" });
    expect(decidePromptTimeout(run, { name: "A", promptId: "p1" }, later(999))).toEqual([]);
    const facts = over(run);
    expect(facts).toMatchObject([{ type: "prompt_answered", answer: "", answeredBy: "", isTimedOut: true }]);
    bringOn(run, ...facts);
    expect(taskOfNode(run, "A")).toMatchObject({
      state: "running",
      openPrompts: 0,
      prompts: [{ state: "timed_out", answer: "", answeredBy: undefined }],
    });
    expect(nextTimerOf(taskOfNode(run, "A"))).toBeUndefined();
    expect(over(run)).toEqual([]);
  });

  test("is closed by whichever comes first, an answer or the end of its time", () => {
    const late = asking();
    bringOn(late, ...over(late));
    expect(() => decideAnswer(late, answer("Ada"))).toThrow("was answered by nobody in time");
    const inTime = asking();
    const decision = decideAnswer(inTime, answer("Ada"));
    if (decision.kind === "answered") bringOn(inTime, ...decision.facts);
    expect(over(inTime)).toEqual([]);
    expect(taskOfNode(inTime, "A").prompts).toMatchObject([{ state: "answered", answer: "Ada" }]);
  });

  test("is answered with nothing also when the answer is secret, and templates see none", () => {
    const run = asking(true);
    bringOn(run, ...over(run));
    const task = taskOfNode(run, "A");
    expect(task.prompts).toMatchObject([{ state: "timed_out", answer: "" }]);
    expect(answersOf(task)).toMatchObject({ answers: {}, prompts: [{ answer: null, answered_by: null }] });
  });

  test("keeps the secret that its program was given before the worker's receipt came", () => {
    const run = asking(true);
    bringOn(run, ...over(run));
    const word: Report["word"] = {
      kind: "sealed_answer_received",
      promptId: "p1",
      answeredBy: "alice",
      requestId: "q1",
    };
    const decision = decideReport(run, { nodeId: "A", attempt: 1, lease: aLease(), number: 3, word });
    expect(decision.kind).toBe("applied");
    if (decision.kind === "applied") bringOn(run, ...decision.facts);
    expect(taskOfNode(run, "A")).toMatchObject({
      state: "running",
      prompts: [{ state: "answered", answeredBy: "alice", answer: undefined }],
    });
  });

  test("closes with its attempt, and nothing comes of its time", () => {
    const run = asking();
    bringOn(run, { type: "lease_lapsed", nodeId: "A", attempt: 1, workerId: "w1" });
    expect(nextTimerOf(taskOfNode(run, "A"))).toBeUndefined();
    expect(over(run)).toEqual([]);
  });

  test("is asked again of the next attempt: that nobody answered is nothing to be replayed", () => {
    const run = asking(false, { replayInput: true });
    bringOn(run, ...over(run), { type: "lease_lapsed", nodeId: "A", attempt: 1, workerId: "w1" });
    bringOn(run, leased("A", 2));
    const word: Report["word"] = { kind: "prompt_opened", promptId: "p2", text: "?", password: false };
    const decision = decideReport(run, { nodeId: "A", attempt: 2, lease: aLease(), number: 2, word });
    expect(decision).toMatchObject({ kind: "applied", facts: [{ type: "prompt_opened" }] });
    expect(decision.kind === "applied" && decision.facts).toHaveLength(1);
  });
});

describe("nextTimerOf", () => {
  test("is the question that closes first of those that are open", () => {
    const run = asking();
    bringOnAt(run, 100, asked("A", "p2", { report: 3 }));
    bringOnAt(run, 200, asked("A", "p3", { report: 4 }));
    expect(nextTimerOf(taskOfNode(run, "A"))).toMatchObject({ promptId: "p1", at: later(1_000) });
    bringOn(run, ...over(run));
    expect(nextTimerOf(taskOfNode(run, "A"))).toMatchObject({ promptId: "p2", at: later(1_100) });
  });

  test("is the end of the attempt's time where that comes first", () => {
    expect(nextTimerOf(taskOfNode(asking(false, { timeoutMs: 500 }), "A"))).toEqual({
      kind: "timeout",
      at: later(500),
    });
    expect(nextTimerOf(taskOfNode(asking(false, { timeoutMs: 5_000 }), "A"))).toMatchObject({
      kind: "prompt",
    });
  });

  test("is none for a question that may wait for ever, or of another handler", () => {
    const forEver = aRun([aProgram()], leased("A"), asked("A", "p1"));
    expect(nextTimerOf(taskOfNode(forEver, "A"))).toBeUndefined();
    expect(over(forEver)).toEqual([]);
    const other = aRun([aProgram(1_000, { handler: "llm" })], leased("A"), asked("A", "p1"));
    expect(nextTimerOf(taskOfNode(other, "A"))).toBeUndefined();
  });
});
