import { describe, expect, test } from "vitest";
import { layersOf } from "./layers.ts";

describe("layersOf", () => {
  test("puts a step below the longest way to it", () => {
    const steps = [aStep("D", "A", "C"), aStep("A"), aStep("C", "B"), aStep("B", "A"), aStep("E")];
    expect(layersOf(steps).map((layer) => layer.map(({ id }) => id))).toEqual([
      ["A", "E"],
      ["B"],
      ["C"],
      ["D"],
    ]);
  });

  test("takes a chain of 10,000 steps in the worst order", () => {
    const steps = Array.from({ length: 10_000 }, (_, index) => aStep(`n${index}`, `n${index + 1}`));
    expect(layersOf(steps).length).toBe(10_000);
  });

  test("ends for a cycle and for what is no step", () => {
    expect(layersOf([aStep("A", "B"), aStep("B", "A", "nothing")]).flat().length).toBe(2);
  });
});

function aStep(id: string, ...dependencies: string[]) {
  return { id, dependencies };
}
