import { expect, test } from "vitest";
import { retryAfterMs } from "./retry-after.ts";

const now = new Date("2026-11-21T12:00:00Z");

test.each([
  ["120", 120_000],
  ["0", 0],
  ["Sat, 21 Nov 2026 12:00:30 GMT", 30_000],
  ["Sat, 21 Nov 2026 11:00:00 GMT", 0],
  ["soon", undefined],
  ["-1", undefined],
  ["1.5", undefined],
  ["99999999999", undefined],
  ["2027", 2_027_000],
  ["Xyz, 99 Abc 2026 12:00:30 GMT", undefined],
  [undefined, undefined],
])("a retry-after of %s is %s ms", (header, ms) => {
  expect(retryAfterMs(header, now)).toBe(ms);
});
