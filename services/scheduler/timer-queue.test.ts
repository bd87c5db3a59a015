import { describe, expect, test } from "vitest";
import { aNode, aRun, later, leased, taskOfNode } from "../../test/support/a-run.ts";
import { TimerQueue } from "./timer-queue.ts";

const aLimitedRun = (timeoutMs: number) => aRun([aNode("A", [], { timeoutMs })], leased("A"));

describe("TimerQueue", () => {
  test("takes out what is due, soonest first, and nothing that was stopped", () => {
    const queue = new TimerQueue();
    const runs = [300, 100, 200, 900].map((ms) => aLimitedRun(ms));
    for (const run of runs) queue.follow(run, taskOfNode(run, "A"));
    const [, , stopped] = runs;
    if (stopped === undefined) throw new Error("there is no third run");
    queue.drop(new Set([stopped]));
    expect(queue.takeDue(later(500)).map(({ timer }) => timer.at)).toEqual([later(100), later(300)]);
    expect(queue.nextAt).toEqual(later(900));
  });

  test("holds few timers that were stopped, however far away their times are", () => {
    const queue = new TimerQueue();
    const kept = aLimitedRun(200);
    queue.follow(kept, taskOfNode(kept, "A"));
    for (let index = 0; index < 5_000; index += 1) {
      const run = aLimitedRun(86_400_000 - index);
      const task = taskOfNode(run, "A");
      queue.follow(run, task);
      task.timer = undefined;
      queue.follow(run, task);
    }
    expect(queue.size).toBeLessThan(300);
    expect(queue.takeDue(later(500)).map(({ run }) => run)).toEqual([kept]);
    expect(queue.nextAt).toBeUndefined();
  });
});
