import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { firstTimes, lastTimes, once, type Times } from "./schedule-times.ts";

const minuteMs = 60_000;
const start = Date.parse("2026-01-01T00:00:00Z");
const at = (minute: number): Date => new Date(start + minute * minuteMs);

/** Fires at these minutes; counts how often it is asked. */
function timesAt(minutes: readonly number[]) {
  const sorted = [...new Set(minutes)].sort((a, b) => a - b);
  const asked = { count: 0 };
  const times: Times = {
    next(after) {
      asked.count += 1;
      const minute = sorted.find((each) => at(each) > after);
      return minute === undefined ? undefined : at(minute);
    },
  };
  return { times, sorted, asked };
}

describe("lastTimes", () => {
  test("finds what going through all of them finds", () => {
    const minutes = fc.oneof(
      fc.uniqueArray(fc.integer({ min: 0, max: 5_000 }), { maxLength: 400 }),
      // Dense, with a gap in between.
      fc.tuple(fc.integer({ min: 0, max: 400 }), fc.integer({ min: 0, max: 3_000 })).map(([dense, gap]) => {
        return [...Array(dense).keys()].flatMap((minute) => [minute, minute + dense + gap]);
      }),
    );
    const bound = fc.integer({ min: -10, max: 5_010 });
    fc.assert(
      fc.property(minutes, bound, bound, fc.integer({ min: 1, max: 200 }), (given, from, to, count) => {
        const { times, sorted } = timesAt(given);
        const expected = sorted.filter((minute) => minute >= from && minute <= to).slice(-count);
        expect(lastTimes(times, { from: at(from), to: at(to), count })).toEqual(expected.map(at));
      }),
    );
  });

  test("asks a bounded number of times, however many lie in between", () => {
    const everyMinute: Times = {
      next: (after) => new Date((Math.floor(after.getTime() / minuteMs) + 1) * minuteMs),
    };
    let asked = 0;
    const times: Times = {
      next(after) {
        asked += 1;
        return everyMinute.next(after);
      },
    };
    const year = 365 * 24 * 60;
    const found = lastTimes(times, { from: at(0), to: at(year), count: 1_000 });
    expect(found).toHaveLength(1_000);
    expect(found.at(-1)).toEqual(at(year));
    expect(asked).toBeLessThan(3_000);
  });
});

describe("once", () => {
  test("comes once", () => {
    const times = once(at(3));
    expect(firstTimes(times, { from: at(0), count: 5 })).toEqual([at(3)]);
    expect(firstTimes(times, { from: at(3), to: at(3), count: 5 })).toEqual([at(3)]);
    expect(firstTimes(times, { from: at(4), count: 5 })).toEqual([]);
  });
});
