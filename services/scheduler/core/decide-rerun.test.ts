import { describe, expect, test } from "vitest";
import {
  aNode,
  answered,
  aRun,
  aStart,
  asked,
  begun,
  bringOn,
  completed,
  failed,
  leased,
  statesOf,
  taskOfNode,
} from "../../../test/support/a-run.ts";
import { keptOf } from "./decide-rerun.ts";
import type { Fact } from "./event.ts";

const keptNames = (nodes: ReturnType<typeof aNode>[], ...facts: Fact[]) =>
  keptOf(aRun(nodes, ...facts)).map(({ nodeId }) => nodeId);

describe("keptOf", () => {
  test("keeps what completed above what did not, and nothing below it", () => {
    const nodes = [
      aNode("A"),
      aNode("B", ["A"], { onFailure: "continue" }),
      aNode("C", ["B"]),
      aNode("D", ["A"]),
      aNode("E", ["C", "D"]),
    ];
    const facts = [completed("A"), failed("B"), completed("C"), completed("D"), failed("E")];
    // C completed with a B that may complete next time.
    expect(keptNames(nodes, ...facts)).toEqual(["A", "D"]);
  });

  test("keeps what joins a branch that a condition ruled out: it will be ruled out again", () => {
    const nodes = [
      aNode("A"),
      aNode("B", ["A"], { when: "A.n > 1" }),
      aNode("C", ["B"]),
      aNode("D", ["A", "C"]),
      aNode("E", ["D"]),
    ];
    const facts = [completed("A", { output: { n: 1 } }), completed("D"), failed("E")];
    expect(keptNames(nodes, ...facts)).toEqual(["A", "D"]);
  });

  test("keeps nothing of what was skipped for a failure, and not the node for failures", () => {
    const start = aStart([aNode("A"), aNode("B", ["A"]), aNode("H")], { onFailure: "H" });
    const run = begun(start, failed("A"), completed("H"));
    expect(run.state).toBe("failed");
    expect(keptOf(run)).toEqual([]);
  });

  test("keeps a list as one output", () => {
    const forEach = { items: [1, 2] };
    const nodes = [aNode("A", [], { forEach }), aNode("B", ["A"])];
    const facts = [completed("A.1", { output: 2 }), completed("A.0", { output: 1 }), failed("B")];
    expect(keptOf(aRun(nodes, ...facts))).toEqual([{ nodeId: "A", output: [1, 2], files: [] }]);
  });
});

describe("a repetition", () => {
  const nodes = [
    aNode("A"),
    aNode("B", ["A"], { config: { who: "{{ nodes.A.io.answers.name }}", n: "{{ A.n }}" } }),
    aNode("C", ["B"]),
  ];
  const first = aRun(
    nodes,
    leased("A"),
    { ...asked("A", "p1"), text: "Name?" } as Fact,
    answered("A", "p1", "Ada"),
    { ...asked("A", "p2", { report: 3, password: true }), text: "Password?" } as Fact,
    completed("A", { report: 4, output: { n: 7 } }),
    failed("B"),
  );

  test("begins with what does not complete any more, once, and completes nothing twice", () => {
    const again = begun(aStart(nodes, { kept: keptOf(first) }));
    expect(statesOf(again)).toEqual({ A: "completed", B: "queued", C: "pending" });
    expect(again.unfinished).toBe(2);
    expect(bringOn(again, completed("B"), completed("C"))).toEqual(["C#1"]);
    expect(again.state).toBe("completed");
  });

  // Pins that a template which named an answer had no value in a repetition.
  test("knows what kept nodes asked and were answered", () => {
    const again = begun(aStart(nodes, { kept: keptOf(first), hold: true }));
    expect(statesOf(again)).toEqual({ A: "completed", B: "pending", C: "pending" });
    expect(taskOfNode(again, "A").prompts).toMatchObject([
      { promptId: "p1", state: "answered", answer: "Ada", answeredBy: "bob" },
      { promptId: "p2", state: "attempt_ended", password: true, answer: undefined },
    ]);
    bringOn(again, { type: "resume_requested", clientId: "alice", requestId: "r" });
    expect(statesOf(again)).toMatchObject({ B: "queued" });
  });

  test("knows of a kept node that nobody answered it in time", () => {
    const nobody = { promptId: "p1", answeredBy: "", requestId: "", answer: "", isTimedOut: true } as const;
    const run = aRun(
      nodes,
      leased("A"),
      asked("A", "p1"),
      { type: "prompt_answered", nodeId: "A", attempt: 1, ...nobody },
      completed("A", { report: 3, output: { n: 7 } }),
    );
    // B names the answer to another question, which has no value.
    expect(statesOf(run)).toMatchObject({ A: "completed", B: "failed" });
    const again = begun(aStart(nodes, { kept: keptOf(run) }));
    expect(taskOfNode(again, "A").prompts).toMatchObject([
      { promptId: "p1", state: "timed_out", answer: "", answeredBy: undefined },
    ]);
  });

  test("of a node that the definition does not have is no history", () => {
    const kept = [{ nodeId: "Z", output: 1, files: [] }];
    expect(() => begun(aStart(nodes, { kept }))).toThrow("keeps an output of Z");
  });
});
