import { describe, expect, test } from "vitest";
import { plants } from "./plants.ts";
import { simulatedSeeds } from "./simulated-seeds.ts";
import { planted } from "./stand-ins.ts";

/** How many seeds are tried when the one that is known to show a bug does not. */
const mostSeeds = 1_500;

const budgetMs = 120_000;

describe("the simulation finds", () => {
  test.each(plants)("$name: $title", async ({ name, seed, foundBy }) => {
    const known = await simulatedSeeds("--plant", name, "--from", `${seed}`, "--count", "1");
    const others = ["--from", "1", "--count", `${mostSeeds}`, "--budget-ms", `${budgetMs}`];
    const { violation, seeds } =
      known.violation === undefined ? await simulatedSeeds("--plant", name, ...others) : known;
    expect(violation, `not in ${seeds} seeds`).toBeDefined();
    process.stdout.write(`${name}: seed ${violation?.seed}, ${violation?.checker}: ${violation?.message}\n`);
    expect(foundBy).toContain(violation?.checker);
  });
});

describe("a planted change", () => {
  const change = { file: "f.ts", find: "a + b", replace: "a - b" };

  test("is made where its text stands", () => {
    expect(planted("return a + b;", change)).toBe("return a - b;");
  });

  test.each(["return a;", "return a + b + a + b;"])(
    "is refused unless its text stands there once: %s",
    (source) => {
      expect(() => planted(source, change)).toThrow(/can not be planted/);
    },
  );
});
