import { describe, expect, test } from "vitest";
import {
  aNode,
  answered,
  aRun,
  aStart,
  asked,
  begun,
  completed,
  failed,
  leased,
  taskOfNode,
} from "../../../test/support/a-run.ts";
import type { Fact } from "./event.ts";
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

  test("gives templates what the run is, and to the node for failures why it fails", () => {
    const config = { run: "{{ run }}" };
    const start = aStart([aNode("A"), aNode("H", [], { config })], {
      onFailure: "H",
      labels: { team: "a" },
      scheduledAt: "2026-01-01T00:00:00.000Z",
    });
    const run = begun(start, failed("A"));
    expect(configOf(run, taskOfNode(run, "H"))).toEqual({
      value: {
        run: {
          id: run.runId,
          name: "test",
          labels: { team: "a" },
          created_at: "2026-01-01T00:00:00.000Z",
          scheduled_at: "2026-01-01T00:00:00.000Z",
          failure: { reason: "BROKEN", message: "no luck", node: "A" },
        },
      },
    });
  });

  test("gives what a node asked, its attempts and its failure", () => {
    const config = { io: "{{ nodes.A.io.answers.name }}", rest: "{{ nodes.A }}" };
    const nodes = [aNode("A", [], { onFailure: "continue" }), aNode("B", ["A"], { config })];
    const question = { ...asked("A", "p1"), text: "Name?" } as Fact;
    const run = aRun(nodes, leased("A"), question, answered("A", "p1", "Ada"), failed("A", { report: 3 }));
    expect(configOf(run, taskOfNode(run, "B"))).toMatchObject({
      value: {
        io: "Ada",
        rest: { status: "failed", attempt: 1, error: { reason: "BROKEN", message: "no luck" } },
      },
    });
  });

  test("has nothing in place of nodes, outputs and items that are not there", () => {
    const config = {
      a: '{{ Z | default("a") }}',
      b: '{{ nodes.Z.status | default("b") }}',
      c: "{{ item | default(0) }}",
    };
    const run = aRun([aNode("A", [], { config })]);
    expect(configOf(run, taskOfNode(run, "A"))).toEqual({ value: { a: "a", b: "b", c: 0 } });
  });

  test("knows no config of a task that is none of its own", () => {
    const run = aRun([aNode("A")]);
    expect(() => configOf(run, { ...taskOfNode(run, "A"), node: 7 })).toThrow("no node 7");
  });
});
