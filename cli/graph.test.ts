import { create } from "@bufbuild/protobuf";
import pc from "picocolors";
import { describe, expect, test } from "vitest";
import { TaskState } from "../gen/antiphon/scheduler/v1/task_pb.ts";
import { DagSchema, FailurePolicy } from "../gen/antiphon/scheduler/v1/workflow_pb.ts";
import { graphOf } from "./graph.ts";
import { dotLines } from "./graph-dot.ts";
import { mermaidLines } from "./graph-mermaid.ts";
import { graphLines } from "./graph-text.ts";

const dag = create(DagSchema, {
  onFailure: "Z",
  nodes: [
    { id: "A", handler: "noop", retry: { maxAttempts: 5 }, timeout: { seconds: 90n } },
    {
      id: "B",
      handler: "llm",
      dependencies: ["A"],
      when: 'A.x == "](<b>"',
      forEach: { maxParallel: 2 },
      onFailure: FailurePolicy.CONTINUE,
    },
    { id: "Z", handler: "noop" },
  ],
});
const run = graphOf({ name: "w", dag }, new Map([["A", TaskState.COMPLETED]]));

describe("a graph", () => {
  test("is text by layers, with what is special about each node", () => {
    expect(graphLines(graphOf({ name: "w", dag }), pc.createColors(false))).toEqual([
      "w  3 nodes in 2 layers",
      " 1 A  noop  retry 5; timeout 90s",
      "   Z  noop  when the run fails",
      ' 2 B  llm   ← A  when A.x == "](<b>"; for each, 2 at once; continues on failure',
    ]);
  });

  test("is a flowchart that no condition breaks, coloured by states", () => {
    const lines = mermaidLines(run);
    expect(lines).toContain('  n0["<b>A</b><br/>noop<br/>retry 5<br/>timeout 90s"]:::completed');
    expect(lines).toContain("  n0 --> n1");
    expect(lines.find((line) => line.startsWith("  n1["))).toMatch(/when A\.x == #34;#93;#40;#60;b#62;#34;/);
    expect(lines.at(-1)).toMatch(/^ {2}classDef completed fill:/);
  });

  test("is Graphviz's with quotes where they belong", () => {
    expect(dotLines(run)).toContain('  "A" -> "B"');
    expect(dotLines(run).find((line) => line.startsWith('  "B"'))).toContain('when A.x == \\"](<b>\\"');
  });
});
