import { expect, test } from "vitest";
import { closest } from "./closest.ts";

test.each([
  ["handlr", "handler"],
  ["hanlder", "handler"],
  ["Dependencies", "dependencies"],
  ["depends_on", undefined],
  ["x", undefined],
])("takes %j for %j", (typed, meant) => {
  expect(closest(typed, ["id", "handler", "dependencies", "config"])).toBe(meant);
});
