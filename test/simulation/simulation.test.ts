import { availableParallelism } from "node:os";
import { expect, test } from "vitest";
import { type Summary, simulatedSeeds } from "./simulated-seeds.ts";

/** How many seeds are simulated, if there is time. */
const seeds = 2_000;

/** How long they may take, in milliseconds; what is not begun by then is left out. */
const budgetMs = 45_000;

/** So many there must be however slow the machine is: a simulation of a few seeds shows nothing. */
const leastSeeds = 100;

test("everything that is promised holds, whatever fails", async () => {
  const processes = Math.min(2, availableParallelism());
  const summaries = await Promise.all(
    Array.from({ length: processes }, async (_, index) => {
      const count = Math.ceil(seeds / processes);
      const given = { from: index + 1, step: processes, count, "budget-ms": budgetMs };
      return await simulatedSeeds(
        ...Object.entries(given).flatMap(([name, value]) => [`--${name}`, `${value}`]),
      );
    }),
  );
  for (const { violation } of summaries) {
    const command = `npm run simulate -- --seed ${violation?.seed}`;
    expect(violation, `reproduce: ${command}`).toBeUndefined();
  }
  const sum = (of: (summary: Summary) => number) => summaries.reduce((total, each) => total + of(each), 0);
  const hours = (sum(({ virtualMs }) => virtualMs) / 3_600_000).toFixed(1);
  const [seedCount, runs, events] = [
    sum((each) => each.seeds),
    sum((each) => each.runs),
    sum((each) => each.events),
  ];
  process.stdout.write(`simulated ${seedCount} seeds: ${runs} runs, ${events} events, ${hours} hours\n`);
  expect(seedCount).toBeGreaterThanOrEqual(leastSeeds);
});

test("a seed is the same story alone and among others", async () => {
  const among = await simulatedSeeds("--from", "41", "--count", "6", "--digests");
  const again = await simulatedSeeds("--from", "44", "--count", "3", "--digests");
  expect(Object.keys(again.digests)).toEqual(["44", "45", "46"]);
  expect(among.digests).toMatchObject(again.digests);
  expect(new Set(Object.values(among.digests)).size).toBe(6);
});
