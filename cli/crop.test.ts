import { describe, expect, test } from "vitest";
import { cropped } from "./crop.ts";

describe("cropped", () => {
  test.each([
    ["abc", 3, "abc"],
    ["abcd", 3, "ab…"],
    ["日本語", 5, "日本…"],
    ["日本語", 4, "日…"],
    ["\u001b[32mabcd\u001b[39m ef", 3, "\u001b[32mab…\u001b[39m"],
    ["👩‍👩‍👧abc", 3, "👩‍👩‍👧…"],
  ])("cuts %j to %d columns", (line, columns, shown) => {
    expect(cropped(line, columns)).toBe(shown);
  });
});
