import { expect, test } from "vitest";
import { OneAtATime } from "./one-at-a-time.ts";

test("work that is asked for while it runs is done once more, and goes on after a failure", async () => {
  const errors: unknown[] = [];
  const gates = [0, 1, 2].map(() => Promise.withResolvers<void>());
  let runs = 0;
  const work = new OneAtATime(
    async () => await gates[runs++]?.promise,
    (error) => errors.push(error),
  );
  work.ask();
  work.ask();
  work.ask();
  expect(runs).toBe(1);
  gates[0]?.reject(new Error("first"));
  await new Promise(setImmediate);
  expect([runs, errors.length]).toEqual([2, 1]);
  gates[1]?.resolve();
  await work.settled();
  expect(runs).toBe(2);
  gates[2]?.resolve();
  work.ask();
  await work.settled();
  expect(runs).toBe(3);
});
