import { describe, expect, test } from "vitest";
import { aNode, aRun, completed, taskOfNode } from "../../../test/support/a-run.ts";
import { configOf } from "./node-config.ts";

describe("configOf", () => {
  test("gives templates the status and error of nodes, the run and its input", () => {
    const config = {
      status: "{{ nodes.A.status }}",
      error: "{{ nodes.A.error }}",
      id: "{{ run.id }}",
      x: "{{ input }}",
    };
    const run = aRun([aNode("A"), aNode("B", ["A"], { config })], completed("A"));
    expect(configOf(run, taskOfNode(run, "B"))).toEqual({
      value: { status: "completed", error: null, id: run.runId, x: {} },
    });
  });

  test("knows no config of a task that is none of its own", () => {
    const run = aRun([aNode("A")]);
    expect(() => configOf(run, { ...taskOfNode(run, "A"), node: 7 })).toThrow("no node 7");
  });
});
