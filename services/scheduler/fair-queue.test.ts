import { describe, expect, test } from "vitest";
import { aNode, aRun } from "../../test/support/a-run.ts";
import { FairQueue, type Ready } from "./fair-queue.ts";

const aReady = (clientId: string, name: string, priority = 0): Ready => {
  const run = { ...aRun([aNode("A")]), clientId };
  const [task] = run.tasks;
  if (task === undefined) throw new Error("a run without a task");
  return { run, task: { ...task, name }, attempt: 1, config: {}, stream: "s", priority };
};

const drained = (queue: FairQueue) => {
  const names: string[] = [];
  for (let ready = queue.shift(); ready !== undefined; ready = queue.shift()) names.push(ready.task.name);
  return names;
};

describe("FairQueue", () => {
  test("serves clients in turn, however much one of them has waiting", () => {
    const queue = new FairQueue();
    for (const name of ["a1", "a2", "a3"]) queue.push(aReady("alice", name));
    queue.push(aReady("bob", "b1"));
    expect(queue.size).toBe(4);
    expect(drained(queue)).toEqual(["a1", "b1", "a2", "a3"]);
    expect(queue.size).toBe(0);
  });

  test("serves one client's tasks by priority, then by age", () => {
    const queue = new FairQueue();
    const given = [
      ["low", -5],
      ["first", 0],
      ["high", 7],
      ["second", 0],
      ["highest", 9],
    ] as const;
    for (const [name, priority] of given) queue.push(aReady("alice", name, priority));
    expect(drained(queue)).toEqual(["highest", "high", "first", "second", "low"]);
  });

  test("forgets what is not wanted any more", () => {
    const queue = new FairQueue();
    for (const name of ["keep", "drop", "drop"]) queue.push(aReady("alice", name));
    queue.push(aReady("bob", "drop"));
    queue.remove(({ task }) => task.name === "drop");
    expect(queue.size).toBe(1);
    expect(drained(queue)).toEqual(["keep"]);
  });
});
