import { describe, expect, test } from "vitest";
import {
  aLease,
  aNode,
  aRun,
  aStart,
  asked,
  begun,
  bringOn,
  cancel,
  childEnded,
  completed,
  fired,
  later,
  leased,
  pause,
  resume,
  taskOfNode,
} from "../../../test/support/a-run.ts";
import {
  type Answer,
  decideAnswer,
  decideCancel,
  decideChildEnd,
  decidePause,
  decideResume,
  decideSignal,
  decideStart,
  decideTimer,
} from "./decide-command.ts";
import type { Outcome } from "./event.ts";
import type { Run } from "./run.ts";
import { maxEvents } from "./run.ts";

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

describe("decidePause and decideResume", () => {
  test("lets a run without room for events be resumed, and not be paused again", () => {
    const run = aRun([aNode("A")]);
    run.seq = maxEvents;
    const asking = { clientId: "alice", requestId: "p" };
    expect(decidePause(run, asking)).toEqual([]);
    run.state = "paused";
    expect(decideResume(run, asking)).toHaveLength(1);
  });

  const asking = { clientId: "alice", requestId: "another" };
  const kinds = (run: Run) =>
    [...decidePause(run, asking), ...decideResume(run, asking)].map(({ type }) => type);

  test("pause what runs and resume what is held or paused, each once", () => {
    const held = begun(aStart([aNode("A")], { hold: true }));
    const runs = [aRun([aNode("A")]), aRun([aNode("A")], pause), aRun([aNode("A")], pause, resume), held];
    expect(runs.map(kinds)).toEqual([
      ["pause_requested"],
      ["resume_requested"],
      ["pause_requested"],
      ["resume_requested"],
    ]);
  });

  test("do nothing when the same request did it before, however late it comes again", () => {
    const again = { clientId: "alice", requestId: "q" };
    const run = aRun([aNode("A")], pause, resume);
    expect(decidePause(run, again)).toEqual([]);
    bringOn(run, ...decidePause(run, asking));
    expect(run.state).toBe("paused");
    expect(decideResume(run, again)).toEqual([]);
  });

  test("do nothing to a run that has ended or is being cancelled", () => {
    const nodes = [aNode("A")];
    const runs = [
      aRun(nodes, completed("A")),
      aRun(nodes, leased("A"), cancel),
      aRun(nodes, leased("A"), pause, cancel),
    ];
    expect(runs.map(kinds)).toEqual([[], [], []]);
  });
});

describe("decideSignal", () => {
  const signal = (more = {}) => ({
    name: "paid",
    payload: 1,
    clientId: "alice",
    requestId: "s",
    requestDigest: "d",
    ...more,
  });

  test("takes each request once, and refuses another with its id", () => {
    const run = aRun([aNode("A")]);
    const facts = decideSignal(run, signal());
    expect(facts).toEqual([{ type: "signal_received", ...signal() }]);
    bringOn(run, ...facts);
    expect(decideSignal(run, signal())).toEqual([]);
    expect(() => decideSignal(run, signal({ requestDigest: "other" }))).toThrow(
      expect.objectContaining({ reason: "REQUEST_ID_REUSED" }),
    );
  });

  test("knows a repeat also when the run has ended, and takes no other then", () => {
    const run = aRun([aNode("A")], ...decideSignal(aRun([aNode("A")]), signal()), completed("A"));
    expect(decideSignal(run, signal())).toEqual([]);
    expect(() => decideSignal(run, signal({ requestId: "s2" }))).toThrow(
      expect.objectContaining({ reason: "RUN_ENDED" }),
    );
  });

  test("keeps 1,000 that nobody takes, and takes 10,000 in all", () => {
    const waiting = { handler: "wait_for_signal", config: { signal: "paid" } };
    const send = (run: Run, count: number) => {
      for (let n = 0; n < count; n += 1) {
        const requestId = `s${run.signalRequests.size}`;
        bringOn(run, ...decideSignal(run, signal({ requestId })));
      }
    };
    const more = (run: Run) => () => decideSignal(run, signal({ requestId: "more" }));
    const untaken = aRun([aNode("A")]);
    send(untaken, 1_000);
    expect(more(untaken)).toThrow(
      expect.objectContaining({
        reason: "SIGNAL_LIMIT",
        metadata: expect.objectContaining({ limit: "1000" }),
      }),
    );
    const nodes = [
      aNode("Z"),
      aNode("A", [], { ...waiting, forEach: { items: Array.from({ length: 9_500 }, () => 0) } }),
    ];
    const taken = aRun(nodes);
    send(taken, 10_000);
    expect(taken.signals).toHaveLength(500);
    expect(more(taken)).toThrow(
      expect.objectContaining({
        reason: "SIGNAL_LIMIT",
        metadata: expect.objectContaining({ limit: "10000" }),
      }),
    );
  });
});

describe("decideTimer", () => {
  const sleeping = () => aRun([aNode("A", [], { handler: "sleep", config: { duration: "1s" } })]);
  const timer = { name: "A", attempt: 1, kind: "sleep" } as const;

  test("fires what is due, once, and names who held the attempt", () => {
    const run = sleeping();
    expect(decideTimer(run, timer, later(999))).toEqual([]);
    const facts = decideTimer(run, timer, later(1_000));
    expect(facts).toEqual([fired("A", "sleep")]);
    bringOn(run, ...facts);
    expect(decideTimer(run, timer, later(1_000))).toEqual([]);
    const limited = aRun([aNode("A", [], { timeoutMs: 5 })], leased("A"));
    expect(decideTimer(limited, { ...timer, kind: "timeout" }, later(5))).toMatchObject([{ workerId: "w1" }]);
  });

  test("fires nothing that was stopped, is another attempt's, or of another kind", () => {
    const late = later(10_000);
    expect(decideTimer(sleeping(), { ...timer, kind: "timeout" }, late)).toEqual([]);
    expect(decideTimer(sleeping(), { ...timer, attempt: 2 }, late)).toEqual([]);
    expect(decideTimer(sleeping(), { ...timer, name: "Z" }, late)).toEqual([]);
    const cancelled = sleeping();
    bringOn(cancelled, cancel);
    expect(decideTimer(cancelled, timer, late)).toEqual([]);
  });
});

describe("decideChildEnd", () => {
  const outcome: Outcome = { kind: "completed", output: 1 };
  const child = { name: "A", attempt: 1, childRunId: "child", outcome };

  test("ends the node that waits, once, and no other attempt of it", () => {
    const run = aRun([aNode("A", [], { handler: "workflow", config: { workflow_name: "w" } })]);
    expect(decideChildEnd(run, { ...child, attempt: 2 })).toEqual([]);
    expect(decideChildEnd(run, { ...child, name: "Z" })).toEqual([]);
    const facts = decideChildEnd(run, child);
    expect(facts).toEqual([childEnded("A", outcome)]);
    bringOn(run, ...facts);
    expect(decideChildEnd(run, child)).toEqual([]);
  });
});

describe("an answer to an approval", () => {
  const asking = (config: object) => aRun([aNode("A", [], { handler: "approval", config: config as never })]);
  const said = (text: string): Answer => answer({ promptId: "approval-1", text });

  test("is one that is offered, and refused with what is", () => {
    expect(decideAnswer(asking({}), said("yes")).kind).toBe("answered");
    expect(() => decideAnswer(asking({}), said("perhaps"))).toThrow("neither yes nor no");
    const choosing = asking({ choices: ["blue", "green"] });
    expect(() => decideAnswer(choosing, said("yes"))).toThrow("none of blue, green");
    expect(decideAnswer(choosing, said("green")).kind).toBe("answered");
  });
});
