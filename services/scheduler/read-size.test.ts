import { describe, expect, test } from "vitest";
import { ReadSize } from "./read-size.ts";

/** Reads from a stream of entries of one size that never runs dry. */
function readOf(size: ReadSize, entryBytes: number): number {
  const bytes = size.count * entryBytes;
  size.note({ bytes, hasMore: true });
  return bytes;
}

describe("ReadSize", () => {
  test("asks for more while entries are small and more are there, up to a bound", () => {
    const size = new ReadSize(1_000_000);
    for (let read = 0; read < 20; read += 1) readOf(size, 100);
    expect(size.count).toBe(500);
  });

  test("keeps to the bytes from the second large read on", () => {
    const size = new ReadSize(1_000_000);
    for (let read = 0; read < 20; read += 1) readOf(size, 100);
    readOf(size, 100_000);
    expect(readOf(size, 100_000)).toBeLessThanOrEqual(1_000_000);
    expect(size.count).toBe(10);
  });

  test("asks for one entry of a stream however large entries are, and for more when they shrink again", () => {
    const size = new ReadSize(1_000);
    readOf(size, 1_000_000);
    expect(size.count).toBe(1);
    readOf(size, 10);
    expect(size.count).toBe(2);
  });

  test("asks for no more while streams run dry", () => {
    const size = new ReadSize(1_000);
    const before = size.count;
    size.note({ bytes: 1, hasMore: false });
    expect(size.count).toBe(before);
  });
});
