import { describe, expect, test } from "vitest";
import { Allowance } from "./allowance.ts";

describe("Allowance", () => {
  test("gives so many at once, and then as many as time brings", () => {
    let nowMs = 0;
    const allowance = new Allowance({ burst: 2, perSecond: 10 }, () => nowMs);
    expect([allowance.take(), allowance.take(), allowance.take()]).toEqual([true, true, false]);
    nowMs = 100;
    expect([allowance.take(), allowance.take()]).toEqual([true, false]);
  });

  test("never holds more than it gives at once", () => {
    let nowMs = 0;
    const allowance = new Allowance({ burst: 1, perSecond: 10 }, () => nowMs);
    nowMs = 60_000;
    allowance.giveBack();
    expect([allowance.take(), allowance.take()]).toEqual([true, false]);
  });

  test("takes back what was not used", () => {
    const allowance = new Allowance({ burst: 1, perSecond: 0 });
    allowance.take();
    allowance.giveBack();
    expect(allowance.take()).toBe(true);
  });
});
