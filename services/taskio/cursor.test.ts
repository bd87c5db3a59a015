import { describe, expect, test } from "vitest";
import { beginning, compareCursors, cursorText, parseCursor } from "./cursor.ts";

describe("parseCursor", () => {
  test.each(["", "1-1", "2-17", "2147483647-2147483647"])("reads %j, which cursorText writes", (text) => {
    const cursor = parseCursor(text);
    expect(cursor && cursorText(cursor)).toBe(text);
  });

  test.each([
    "-",
    "1",
    "1-",
    "-1",
    "0-1",
    "1-0",
    "01-1",
    "1-1 ",
    "1.5-1",
    "a-1",
    "2147483648-1",
    "1-99999999999",
  ])("refuses %j", (text) => {
    expect(parseCursor(text)).toBeUndefined();
  });
});

test("cursors are ordered by attempt, then by number", () => {
  const ordered = [
    beginning,
    { attempt: 1, seq: 2 },
    { attempt: 1, seq: 10 },
    { attempt: 2, seq: 1 },
    { attempt: 10, seq: 1 },
  ];
  expect(ordered.toReversed().sort(compareCursors)).toEqual(ordered);
});
