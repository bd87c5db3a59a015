import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import pc from "picocolors";
import { describe, expect, test } from "vitest";
import { RunState } from "../gen/antiphon/scheduler/v1/run_pb.ts";
import { TaskState } from "../gen/antiphon/scheduler/v1/task_pb.ts";
import { type DrawnNode, runTree } from "./run-tree.ts";

const start = new Date("2026-11-21T01:49:00Z");
const now = new Date("2026-11-21T01:49:04.100Z");
const on = { now, columns: 80, rows: 24, colors: pc.createColors(false) };

describe("runTree", () => {
  test("puts nodes that start after as many others on one line", () => {
    const nodes = [
      aNode("A", [], {
        state: TaskState.COMPLETED,
        startedAt: start,
        endedAt: new Date(start.getTime() + 800),
      }),
      aNode("B", ["A"], {
        state: TaskState.COMPLETED,
        startedAt: start,
        endedAt: new Date(start.getTime() + 1200),
      }),
      aNode("C", ["A"], { state: TaskState.RUNNING, attempt: 2, startedAt: new Date(now.getTime() - 2100) }),
      aNode("D", ["B", "C"], { state: TaskState.PENDING }),
    ];
    expect(runTree(aRun(nodes), on)).toEqual([
      "fanout  r1  RUNNING 4.1s",
      " ✔ A   0.8s",
      " ✔ B   1.2s                           ● C   2.1s  (attempt 2)",
      " ○ D   waits for C",
    ]);
  });

  test("counts the nodes that a low terminal has no room for", () => {
    const nodes = Array.from({ length: 100 }, (_, index) =>
      aNode(`n${index}`, index === 0 ? [] : [`n${index - 1}`], { state: TaskState.PENDING }),
    );
    const lines = runTree(aRun(nodes), { ...on, rows: 10 });
    expect(lines.length).toBeLessThan(10);
    expect(lines.at(-1)).toBe(" … 100 pending");
  });

  test("draws a chain of 10,000 nodes, whatever their order", () => {
    const nodes = Array.from({ length: 10_000 }, (_, index) =>
      aNode(`n${index}`, index === 9_999 ? [] : [`n${index + 1}`], { state: TaskState.PENDING }),
    );
    expect(runTree(aRun(nodes), on)[1]).toContain("n9999");
  });

  test("keeps every line within the terminal", () => {
    const nodes = Array.from({ length: 5 }, (_, index) =>
      aNode(`${"n".repeat(60)}${index}`, [], { state: TaskState.WAITING_FOR_INPUT, startedAt: start }),
    );
    const lines = runTree({ ...aRun(nodes), name: "w".repeat(200) }, { ...on, columns: 70 });
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(70);
  });
});

describe("runTree below a node", () => {
  test("tells what the node waits for, and draws the run that it started", () => {
    const child = {
      ...aRun([aNode("X", [], { state: TaskState.RUNNING, startedAt: start })]),
      name: "sub",
      runId: "r2",
    };
    const nodes = [
      { ...aNode("A", [], { state: TaskState.QUEUED }), details: ["no worker offers llm for queue gpu"] },
      { ...aNode("B", ["A"], { state: TaskState.PENDING }), said: "retry 2/5 at 12:04:10" },
      { ...aNode("C", ["B"], { state: TaskState.RUNNING, startedAt: start }), child },
    ];
    expect(runTree({ ...aRun(nodes), wait: "it is paused" }, on)).toEqual([
      "fanout  r1  RUNNING 4.1s",
      "  it is paused",
      " ◌ A   queued",
      "     no worker offers llm for queue gpu",
      " ○ B   retry 2/5 at 12:04:10",
      " ● C   4.1s",
      "    sub  r2  RUNNING 4.1s",
      "     ● X   4.1s",
    ]);
  });

  test("leaves out what is over or to come when there is no room", () => {
    const nodes = Array.from({ length: 100 }, (_, index) =>
      aNode(`n${index}`, index === 0 ? [] : [`n${index - 1}`], {
        state: index < 50 ? TaskState.COMPLETED : index === 50 ? TaskState.RUNNING : TaskState.PENDING,
        startedAt: start,
      }),
    );
    const lines = runTree(aRun(nodes), { ...on, rows: 10 });
    expect(lines.slice(1)).toEqual([" ● n50   4.1s", " … 50 completed, 1 running, 49 pending"]);
  });
});

function aRun(nodes: readonly DrawnNode[]) {
  return {
    name: "fanout",
    runId: "r1",
    state: RunState.RUNNING,
    startedAt: start,
    endedAt: undefined,
    wait: "",
    nodes,
  };
}

function aNode(
  id: string,
  dependencies: readonly string[],
  task: { state: TaskState; attempt?: number; startedAt?: Date; endedAt?: Date },
): DrawnNode {
  const { state, attempt = 1, startedAt, endedAt } = task;
  return {
    id,
    dependencies,
    said: "",
    details: [],
    child: undefined,
    task: {
      state,
      attempt,
      ...(startedAt && { startedAt: timestampFromDate(startedAt) }),
      ...(endedAt && { endedAt: timestampFromDate(endedAt) }),
    },
  };
}
