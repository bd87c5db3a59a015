/*
 * What a fold costs grows with the length of the history and not with its square:
 * counted in blocks of code that are entered, not in time.
 */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { beforeAll, describe, expect, test } from "vitest";
import { aNode, aRun, bringOn, completed } from "../../../test/support/a-run.ts";

const counter = fileURLToPath(new URL("../../../test/support/count-fold-steps.ts", import.meta.url));

interface Counted {
  readonly name: string;
  /** Of a history, and of one twice as long. */
  readonly steps: readonly [number, number];
}

describe("twice the history", () => {
  let all: readonly Counted[] = [];

  beforeAll(async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [counter], { maxBuffer: 1024 * 1024 });
    all = JSON.parse(stdout) as Counted[];
  });

  test("costs about twice as much, whatever it is made of", () => {
    expect(all.length).toBeGreaterThan(10);
    const growing = all.filter(({ steps: [less, more] }) => more > 2.2 * less);
    expect(growing).toEqual([]);
  });

  test("is really counted: each event enters a block at least", () => {
    for (const { steps } of all) expect(steps[0]).toBeGreaterThan(2_000);
  });
});

describe("the largest runs", () => {
  const count = 10_000;

  test("end: a chain of 10,000 nodes", () => {
    const nodes = Array.from({ length: count }, (_, index) => {
      return aNode(`n${index}`, index === 0 ? [] : [`n${index - 1}`]);
    });
    const run = aRun(nodes);
    for (let index = 0; index < count; index += 1) bringOn(run, completed(`n${index}`));
    expect(run).toMatchObject({ state: "completed", unfinished: 0, seq: count + 1 });
  });

  test("end: 10,000 items, three at a time", () => {
    const items = Array.from({ length: count }, (_, index) => index);
    const run = aRun([aNode("A", [], { forEach: { items, maxParallel: 3 } })]);
    for (let index = 0; index < count; index += 1) bringOn(run, completed(`A.${index}`, { output: index }));
    expect(run).toMatchObject({ state: "completed", unfinished: 0 });
    expect(run.tasks[0]?.output).toEqual(items);
  });
});
