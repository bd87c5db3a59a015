import { describe, expect, test } from "vitest";
import { ShortMemory } from "./short-memory.ts";

describe("ShortMemory", () => {
  test("remembers a value until its time is over", () => {
    let now = 0;
    const memory = new ShortMemory<string>(10, () => now);
    memory.set("a", "first", 100);
    now = 99;
    expect(memory.get("a")).toBe("first");
    now = 100;
    expect(memory.get("a")).toBeUndefined();
  });

  test("remembers the last value of a key, for its time", () => {
    let now = 0;
    const memory = new ShortMemory<string>(10, () => now);
    memory.set("a", "first", 100);
    memory.set("a", "second", 200);
    now = 150;
    expect(memory.get("a")).toBe("second");
  });

  test("lets the oldest go when there is no more place", () => {
    const memory = new ShortMemory<number>(2);
    memory.set("a", 1, 1_000);
    memory.set("b", 2, 1_000);
    memory.set("a", 3, 1_000);
    memory.set("c", 4, 1_000);
    expect([memory.get("a"), memory.get("b"), memory.get("c")]).toEqual([3, undefined, 4]);
  });
});
