import { describe, expect, test } from "vitest";
import { compilePattern } from "./pattern.ts";

describe("compilePattern", () => {
  test.each([
    ["^a+$", "aaa", "aab"],
    ["b", "abc", "ac"],
    ["^\\d{4}-\\d\\d$", "2026-01", "26-01"],
    ["^\\u0041\\/$", "A/", "a/"],
    ["^(?<year>\\d+)$", "2026", "x"],
    ["^\\p{L}$", "é", "1"],
  ])("finds %s in %j and not in %j", (expression, text, other) => {
    const pattern = compilePattern(expression);
    if ("fault" in pattern) throw new Error(pattern.fault);
    expect([pattern.isIn(text), pattern.isIn(other)]).toEqual([true, false]);
  });

  test.each(["(", "(a)\\1", "(?=a)b", "(?<!a)b", "a{100000}", "[b-a]"])("refuses %s", (expression) => {
    expect(compilePattern(expression)).toEqual({ fault: "is not a regular expression as RE2 has them" });
  });

  test("refuses what is long, or becomes long by repetition", () => {
    expect(compilePattern("a".repeat(1001))).toEqual({ fault: "is longer than 1000 characters" });
    expect(compilePattern("(a?){500}")).toMatchObject({ fault: expect.stringMatching("repeats too much") });
  });

  test("takes steps in proportion to the text for an expression that makes other engines backtrack", () => {
    const pattern = compilePattern("^(a+)+$");
    if ("fault" in pattern) throw new Error(pattern.fault);
    const text = `${"a".repeat(50_000)}b`;
    expect(pattern.isIn(text)).toBe(false);
    expect(pattern.stepsFor(text)).toBeLessThan(2 * text.length);
  });
});
