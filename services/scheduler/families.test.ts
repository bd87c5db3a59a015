import { expect, test } from "vitest";
import { Families } from "./families.ts";

test("admits runs below a root as long as their tasks together are not too many", () => {
  const families = new Families();
  expect(families.admit("root", "a", 60_000)).toBe(true);
  expect(families.admit("root", "b", 50_000)).toBe(false);
  expect(families.admit("other", "b", 50_000)).toBe(true);
  expect(families.admit("root", "a", 60_000)).toBe(true);
  families.count("root", "a", 99_999);
  expect(families.admit("root", "c", 1)).toBe(true);
  expect(families.admit("root", "d", 1)).toBe(false);
  families.forget("root", "a");
  families.forget("root", "unknown");
  families.forget("unknown", "a");
  expect(families.admit("root", "d", 50_000)).toBe(true);
});
