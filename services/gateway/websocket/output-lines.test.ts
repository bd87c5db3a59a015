import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { OutputLines, type Piece } from "./output-lines.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const first = { attempt: 1, seq: 1 };
const second = { attempt: 1, seq: 2 };

describe("lines of output", () => {
  test("end with their line feed, and name the place behind it", () => {
    const lines = new OutputLines();
    expect(lines.push(first, bytes("one\ntwo\nthr"))).toEqual([
      { text: "one\n", end: { ...first, offset: 4 } },
      { text: "two\n", end: { ...first, offset: 8 } },
    ]);
    expect(lines.hasRest).toBe(true);
    expect(lines.push(second, bytes("ee\n"))).toEqual([{ text: "three\n", end: { ...second, offset: 3 } }]);
    expect(lines.hasRest).toBe(false);
  });

  test("that have not ended are given up when asked for, but not in the middle of a character", () => {
    const lines = new OutputLines();
    const euro = bytes("€");
    lines.push(first, Buffer.concat([bytes("name: "), euro.subarray(0, 2)]));
    expect(lines.flush()).toEqual([{ text: "name: ", end: { ...first, offset: 6 } }]);
    expect(lines.flush()).toEqual([]);
    expect(lines.push(second, Buffer.concat([euro.subarray(2), bytes("\n")]))).toEqual([
      { text: "€\n", end: { ...second, offset: 2 } },
    ]);
  });

  test("are given up as they are at the end", () => {
    const lines = new OutputLines();
    lines.push(first, Buffer.concat([bytes("x"), bytes("€").subarray(0, 2)]));
    expect(lines.end()).toEqual([{ text: "x\uFFFD", end: { ...first, offset: 3 } }]);
    expect(lines.end()).toEqual([]);
  });

  test("that are very long come in pieces", () => {
    const lines = new OutputLines();
    const pieces: Piece[] = [];
    for (let seq = 1; seq <= 10; seq += 1)
      pieces.push(...lines.push({ attempt: 1, seq }, bytes("x".repeat(40_000))));
    pieces.push(...lines.end());
    expect(pieces.map(({ text }) => text).join("")).toBe("x".repeat(400_000));
    expect(Math.max(...pieces.map(({ text }) => text.length))).toBeLessThan(130_000);
  });

  test("go on behind any place exactly where they were left", () => {
    const chunk = fc.oneof(
      fc.string({ unit: "binary", maxLength: 8 }).map((text) => Buffer.from(text)),
      fc.constantFrom("\n", "a\nb", "x").map((text) => Buffer.from(text)),
      fc.uint8Array({ maxLength: 3 }).map((data) => Buffer.from(data)),
    );
    const property = fc.property(
      fc.array(chunk, { minLength: 1, maxLength: 8 }),
      fc.nat(),
      fc.array(fc.boolean()),
      (chunks, choice, flushes) => {
        const lines = new OutputLines();
        const pieces = chunks.flatMap((data, index) => [
          ...lines.push({ attempt: 1, seq: index + 1 }, data),
          ...(flushes[index] === true ? lines.flush() : []),
        ]);
        const known = pieces[choice % Math.max(pieces.length, 1)];
        if (known === undefined) return;
        const { seq, offset } = known.end;
        const again = new OutputLines();
        const rest = chunks
          .slice(seq - 1)
          .flatMap((data, index) =>
            again.push({ attempt: 1, seq: seq + index }, data, index === 0 ? offset : 0),
          );
        const text = (from: readonly Piece[]) => from.map((piece) => piece.text).join("");
        const whole = new OutputLines();
        const all = chunks.flatMap((data, index) => whole.push({ attempt: 1, seq: index + 1 }, data));
        const seen = text(pieces.slice(0, pieces.indexOf(known) + 1));
        // What is no UTF-8 may be replaced in other portions.
        if (Buffer.concat(chunks).toString().includes("\uFFFD")) return;
        expect(seen + text(rest) + text(again.end())).toBe(text(all) + text(whole.end()));
      },
    );
    fc.assert(property, { numRuns: 500 });
  });
});
