import { create } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { TaskIOStateSchema } from "../../gen/antiphon/internal/v1/task_state_service_pb.ts";
import { TaskStates } from "./task-states.ts";

describe("TaskStates", () => {
  test("asks for many tasks in one call, and never in two calls at once", async () => {
    const calls: string[][] = [];
    let open = 0;
    let mostOpen = 0;
    const states = new TaskStates({
      async getTaskStates({ taskIds }) {
        calls.push(taskIds);
        mostOpen = Math.max(mostOpen, (open += 1));
        await new Promise(setImmediate);
        open -= 1;
        return {
          tasks: taskIds.filter((id) => id !== "none").map((taskId) => create(TaskIOStateSchema, { taskId })),
        };
      },
    });
    const first = ["a", "b", "a", "none"].map(async (taskId) => (await states.ask(taskId))?.taskId);
    await new Promise(setImmediate);
    const second = ["a", "c"].map(async (taskId) => (await states.ask(taskId))?.taskId);
    expect(await Promise.all([...first, ...second])).toEqual(["a", "b", "a", undefined, "a", "c"]);
    expect(calls).toEqual([
      ["a", "b", "none"],
      ["a", "c"],
    ]);
    expect(mostOpen).toBe(1);
  });

  test("divides what is too much for one call", async () => {
    const sizes: number[] = [];
    const states = new TaskStates({
      async getTaskStates({ taskIds }) {
        sizes.push(taskIds.length);
        return { tasks: [] };
      },
    });
    await Promise.all(Array.from({ length: 2_500 }, async (_, index) => await states.ask(`t${index}`)));
    expect(sizes).toEqual([1_000, 1_000, 500]);
  });

  test("says what is known of a task when all who ask know something, and how little", async () => {
    const calls: Record<string, number>[] = [];
    const states = new TaskStates({
      async getTaskStates({ knownRunSeqs }) {
        calls.push(knownRunSeqs);
        return { tasks: [create(TaskIOStateSchema, { taskId: "b", runSeq: 9 })] };
      },
    });
    const known = (taskId: string, runSeq: number) => states.askForNewer({ taskId, runSeq });
    const answers = [known("a", 4), known("a", 3), known("b", 5), states.ask("b"), known("c", 7)];
    const seqs = (await Promise.all(answers)).map((state) => state?.runSeq);
    expect(seqs).toEqual([undefined, undefined, 9, 9, undefined]);
    expect(calls).toEqual([{ a: 3, c: 7 }]);
  });

  test("rejects when the scheduler does, and asks again when it is asked again", async () => {
    let fails = true;
    const states = new TaskStates({
      async getTaskStates() {
        if (fails) throw new Error("away");
        return { tasks: [create(TaskIOStateSchema, { taskId: "a" })] };
      },
    });
    await expect(states.ask("a")).rejects.toThrow("away");
    fails = false;
    expect((await states.ask("a"))?.taskId).toBe("a");
  });
});
