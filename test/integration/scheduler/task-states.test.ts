import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TaskState } from "../../../gen/antiphon/scheduler/v1/task_pb.ts";
import { partitionOf } from "../../../lib/ids/partition.ts";
import { sql } from "../../../lib/postgres/sql.ts";
import { until } from "../../support/until.ts";
import { bytes, type Replica, type World, world } from "./scheduler-world.ts";

describe("states of tasks, as taskio asks for them", () => {
  let all: World;
  let first: Replica;
  let second: Replica;

  beforeAll(async () => {
    all = await world("memory");
    first = await all.replica();
    second = await all.replica();
    await until("each replica owns half", async () => {
      const rows = await all.db.query<{ count: number }>(sql`
        select count(*)::int as count from scheduler.partition group by owner_incarnation
      `);
      return rows.length === 2 && rows.every(({ count }) => count === 32);
    });
  });
  afterAll(async () => await all[Symbol.asyncDispose]());

  async function submit(): Promise<string> {
    const program = { fileName: "a.py", content: bytes("print()") };
    const { task } = await first.client.submitTask({ program });
    return task?.taskId ?? "";
  }

  test("are answered by every replica, and only when there is more than the caller knows", async () => {
    const taskIds = await Promise.all(Array.from({ length: 12 }, submit));
    expect(new Set(taskIds.map(partitionOf)).size).toBeGreaterThan(1);
    for (const { taskStates } of [first, second]) {
      const { tasks } = await taskStates.getTaskStates({ taskIds });
      expect(tasks.map(({ taskId }) => taskId).toSorted()).toEqual(taskIds.toSorted());
      const knownRunSeqs = Object.fromEntries(tasks.map(({ taskId, runSeq }) => [taskId, runSeq]));
      expect((await taskStates.getTaskStates({ taskIds, knownRunSeqs })).tasks).toEqual([]);
    }
    const [changed = ""] = taskIds;
    await first.client.cancelTask({ taskId: changed });
    const knownRunSeqs = Object.fromEntries(taskIds.map((taskId) => [taskId, 1]));
    for (const { taskStates } of [first, second]) {
      const { tasks } = await taskStates.getTaskStates({ taskIds, knownRunSeqs });
      expect(tasks).toMatchObject([{ taskId: changed, state: TaskState.CANCELLED, runSeq: 2 }]);
    }
  });

  test("are refused for more than a thousand tasks at once, and missing for what is no task", async () => {
    const tooMany = { taskIds: Array.from({ length: 1_001 }, () => "x") };
    await expect(first.taskStates.getTaskStates(tooMany)).rejects.toMatchObject({
      code: Code.InvalidArgument,
    });
    const unknown = { taskIds: ["x", "00000000-0000-8000-8000-000000000000"], knownRunSeqs: { x: 7 } };
    expect((await first.taskStates.getTaskStates(unknown)).tasks).toEqual([]);
  });
});
