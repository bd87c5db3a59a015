import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compareIds, type EntryId, partsOf } from "./broker.ts";
import { MemoryStream } from "./memory-stream.ts";

type Step = { append: number } | { remove: number } | { trim: number };

const step = fc.oneof(
  fc.record({ append: fc.integer({ min: 1, max: 40 }) }),
  fc.record({ remove: fc.nat() }),
  fc.record({ trim: fc.nat() }),
) satisfies fc.Arbitrary<Step>;

describe("memoryStream", () => {
  test("holds what a plain list would, whatever is appended, removed and trimmed", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const stream = new MemoryStream("s");
        const known: EntryId[] = ["0-0"];
        let model: EntryId[] = [];
        const anyOf = (seed: number): EntryId => known[seed % known.length] ?? "0-0";
        for (const each of steps) {
          if ("append" in each) {
            const ids = Array.from({ length: each.append }, () => stream.append(new Uint8Array(1), 1_000));
            known.push(...ids);
            model.push(...ids);
          } else if ("remove" in each) {
            stream.remove(anyOf(each.remove));
            model = model.filter((id) => id !== anyOf(each.remove));
          } else {
            stream.trim(partsOf(anyOf(each.trim)));
            model = model.filter((id) => compareIds(id, anyOf(each.trim)) >= 0);
          }
          expect(stream.after([0, 0], Infinity).map(({ id }) => id)).toEqual(model);
          const middle = anyOf(known.length >> 1);
          const later = model.filter((id) => compareIds(id, middle) > 0).slice(0, 3);
          expect(stream.after(partsOf(middle), 3).map(({ id }) => id)).toEqual(later);
        }
      }),
    );
  });

  test("goes on above its last id when the clock goes back", () => {
    const stream = new MemoryStream("s");
    expect([stream.append(new Uint8Array(), 1_000), stream.append(new Uint8Array(), 900)]).toEqual([
      "1000-0",
      "1000-1",
    ]);
    expect(stream.append(new Uint8Array(), 1_001)).toBe("1001-0");
  });
});
