import { describe, expect, test } from "vitest";
import {
  aLease,
  aNode,
  aRun,
  aStart,
  asked,
  bringOn,
  completed,
  leased,
  taskOfNode,
} from "../../../test/support/a-run.ts";
import { type Answer, decideAnswer, decideCancel, decideStart } from "./decide-command.ts";

const answer = (more: Partial<Answer> = {}): Answer => ({
  nodeId: "A",
  promptId: "p1",
  clientId: "alice",
  requestId: "a1",
  text: "Ada",
  ...more,
});

describe("decideStart", () => {
  test("starts a run that is not there", () => {
    const start = aStart([aNode("A")]);
    expect(decideStart(undefined, start)).toEqual([start]);
  });

  test("does nothing for the request that started it, and refuses another with its id", () => {
    const run = aRun([aNode("A")]);
    expect(decideStart(run, aStart([aNode("A")]))).toEqual([]);
    expect(() => decideStart(run, aStart([aNode("B")], { requestDigest: "d2" }))).toThrow(
      expect.objectContaining({ reason: "REQUEST_ID_REUSED" }),
    );
  });
});

describe("decideCancel", () => {
  const cancel = { clientId: "alice", requestId: "c1" };

  test("cancels a run once, and not one that has ended", () => {
    const run = aRun([aNode("A")], leased("A"));
    const facts = decideCancel(run, cancel);
    expect(facts).toEqual([{ type: "cancel_requested", ...cancel }]);
    bringOn(run, ...facts);
    expect(decideCancel(run, cancel)).toEqual([]);
    expect(decideCancel(aRun([aNode("A")], completed("A")), cancel)).toEqual([]);
  });
});

describe("decideAnswer", () => {
  test("takes the first answer, knows its repeat, and refuses every other", () => {
    const run = aRun([aNode("A")], leased("A"), asked("A", "p1"));
    const decision = decideAnswer(run, answer());
    expect(decision).toMatchObject({ kind: "answered", facts: [{ type: "prompt_answered", answer: "Ada" }] });
    bringOn(run, ...(decision.kind === "answered" ? decision.facts : []));
    expect(taskOfNode(run, "A").state).toBe("running");
    expect(decideAnswer(run, answer())).toEqual({ kind: "repeated" });
    expect(() => decideAnswer(run, answer({ text: "Eve" }))).toThrow(
      expect.objectContaining({ reason: "REQUEST_ID_REUSED" }),
    );
    expect(() => decideAnswer(run, answer({ requestId: "a2" }))).toThrow(
      expect.objectContaining({ reason: "PROMPT_CLOSED" }),
    );
    expect(() => decideAnswer(run, answer({ clientId: "bob" }))).toThrow(
      expect.objectContaining({ reason: "PROMPT_CLOSED" }),
    );
  });

  test("knows no prompt that was never opened, nor of a node that is not there", () => {
    const run = aRun([aNode("A")], leased("A"));
    for (const wrong of [answer(), answer({ nodeId: "Z" })]) {
      expect(() => decideAnswer(run, wrong)).toThrow(expect.objectContaining({ reason: "PROMPT_NOT_FOUND" }));
    }
  });

  test("refuses an answer to an attempt that has ended, and to one that was lost", () => {
    const run = aRun([aNode("A")], leased("A"), asked("A", "p1"));
    bringOn(run, { type: "lease_lapsed", nodeId: "A", attempt: 1, workerId: "w1" });
    expect(() => decideAnswer(run, answer())).toThrow(expect.objectContaining({ reason: "PROMPT_CLOSED" }));
  });

  test("delivers a secret sealed, and stores nothing; refuses one that is not sealed, and a sealed one that is no secret", () => {
    const run = aRun(
      [aNode("A")],
      leased("A"),
      asked("A", "p1", { password: true }),
      asked("A", "p2", { report: 3 }),
    );
    expect(decideAnswer(run, answer({ text: undefined }))).toMatchObject({
      kind: "deliver",
      prompt: { promptId: "p1" },
    });
    for (const wrong of [answer(), answer({ promptId: "p2", text: undefined })]) {
      expect(() => decideAnswer(run, wrong)).toThrow(expect.objectContaining({ reason: "FIELD_INVALID" }));
    }
  });

  test("keeps the task waiting while another prompt is open", () => {
    const run = aRun([aNode("A")], leased("A"), asked("A", "p1"), asked("A", "p2", { report: 3 }));
    const decision = decideAnswer(run, answer());
    bringOn(run, ...(decision.kind === "answered" ? decision.facts : []));
    expect(taskOfNode(run, "A").state).toBe("waiting_for_input");
  });

  test("belongs to the lease that asked", () => {
    const run = aRun([aNode("A")], leased("A", 1, aLease({ sealKey: "k" })), asked("A", "p1"));
    expect(taskOfNode(run, "A").lease?.sealKey).toBe("k");
  });
});
