import { expect, test } from "vitest";
import { BoundedLines } from "./bounded-lines.ts";

const texts = (lines: BoundedLines, chunk: string) =>
  [...lines.take(Buffer.from(chunk))].map((line) => line?.toString());

test("puts a line together from its pieces", () => {
  const lines = new BoundedLines(100);
  expect(texts(lines, "a")).toEqual([]);
  expect(texts(lines, "b\n\nc\nd")).toEqual(["ab", "", "c"]);
  expect(lines.hasRest).toBe(true);
  expect(texts(lines, "\n")).toEqual(["d"]);
  expect(lines.hasRest).toBe(false);
});

test("skips a line that is too long and goes on after it", () => {
  const lines = new BoundedLines(4);
  expect(texts(lines, "1234\n12345\n12")).toEqual(["1234", undefined]);
  expect(texts(lines, "345678")).toEqual([]);
  expect(texts(lines, "9\nok\n")).toEqual([undefined, "ok"]);
});
