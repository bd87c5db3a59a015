import { create } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { RunSchema, RunState } from "../gen/antiphon/scheduler/v1/run_pb.ts";
import { TaskState } from "../gen/antiphon/scheduler/v1/task_pb.ts";
import { runRows } from "./run-rows.ts";
import { tableLines } from "./table.ts";

const runId = "11111111-2222-4333-8444-555555555555";

describe("runRows", () => {
  test("has one row for a node with many items, and one for each that failed", () => {
    const lines = shown({
      tasks: [
        {
          taskId: `${runId}.fan`,
          nodeId: "fan",
          state: TaskState.FAILED,
          items: { total: 200, ended: 200 },
          failure: { reason: "ITEMS_FAILED", message: "2 items failed" },
        },
        ...Array.from({ length: 200 }, (_, index) => ({
          taskId: `${runId}.fan.${index}`,
          nodeId: "fan",
          state: [7, 95].includes(index) ? TaskState.FAILED : TaskState.COMPLETED,
          ...([7, 95].includes(index) && { failure: { reason: "EXIT_CODE", message: "it ended with 1" } }),
        })),
        { taskId: `${runId}.after`, nodeId: "after", state: TaskState.SKIPPED },
      ],
    });
    expect(lines.slice(-4)).toEqual([
      expect.stringMatching(/^node fan +failed, 200 items, 2 failed: 2 items failed \(ITEMS_FAILED\)$/),
      expect.stringMatching(/^ *fan\.7 +failed: it ended with 1 \(EXIT_CODE\)$/),
      expect.stringMatching(/^ *fan\.95 +failed: it ended with 1 \(EXIT_CODE\)$/),
      expect.stringMatching(/^node after +skipped$/),
    ]);
  });

  test("says how many items have ended while some have not", () => {
    const fan = { taskId: `${runId}.fan`, nodeId: "fan", state: TaskState.RUNNING };
    expect(shown({ tasks: [{ ...fan, items: { total: 9, ended: 4 } }] }).at(-1)).toMatch(
      /^node fan +running, 9 items, 4 ended$/,
    );
  });

  test("says once what many items wait for, and shows what is asked with what may be answered", () => {
    const lines = shown({
      waits: [
        ...[1, 2, 3].map((index) => ({
          taskId: `${runId}.fan.${index}`,
          reason: "ITEM_LIMIT",
          message: "as many as may be",
        })),
        { taskId: `${runId}.ship`, reason: "PROMPT", message: "a question waits for its answer" },
      ],
      tasks: [
        {
          taskId: `${runId}.ship`,
          nodeId: "ship",
          state: TaskState.WAITING_FOR_INPUT,
          openPrompts: [{ promptId: "p", text: "Ship?", choices: ["ship", "hold"] }],
        },
      ],
    });
    expect(lines.filter((line) => /^(waits|asks)/.test(line))).toEqual([
      expect.stringMatching(/^waits +fan \(3×\): as many as may be$/),
      expect.stringMatching(/^asks +ship: Ship\? \(ship, hold\)$/),
    ]);
  });
});

function shown({
  tasks,
  waits = [],
}: {
  readonly tasks: readonly object[];
  readonly waits?: readonly object[];
}): string[] {
  const run = create(RunSchema, {
    runId,
    name: "flow",
    state: RunState.RUNNING,
    tasks: tasks.map((task) => ({ runId, ...task })),
    waits: [...waits],
  });
  return tableLines(["RUN", runId], runRows(run, new Date()));
}
