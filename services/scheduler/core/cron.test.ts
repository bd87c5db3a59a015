import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Cron, compileCron, nextTimes } from "./cron.ts";

const minuteMs = 60_000;

function compiled(expression: string, timeZone = "UTC"): Cron {
  const cron = compileCron(expression, timeZone);
  if ("fault" in cron) throw new Error(cron.fault);
  return cron;
}

/** The next times after an instant, in UTC, to the minute. */
function timesOf(expression: string, timeZone: string, after: string, count: number): string[] {
  return nextTimes(compiled(expression, timeZone), new Date(after), count).map((time) =>
    time.toISOString().slice(0, 16),
  );
}

describe("next", () => {
  test.each([
    ["* * * * *", ["2026-01-01T00:31", "2026-01-01T00:32"]],
    ["*/20 * * * *", ["2026-01-01T00:40", "2026-01-01T01:00"]],
    ["5,10-20/5 3 * * *", ["2026-01-01T03:05", "2026-01-01T03:10", "2026-01-01T03:15", "2026-01-01T03:20"]],
    ["0 12 * jan-MAR MON,fri", ["2026-01-02T12:00", "2026-01-05T12:00"]],
    ["0 0 13 * 5", ["2026-01-02T00:00", "2026-01-09T00:00", "2026-01-13T00:00"]],
    ["0 0 * * 7", ["2026-01-04T00:00", "2026-01-11T00:00"]],
    ["0 0 29 2 *", ["2028-02-29T00:00", "2032-02-29T00:00"]],
    ["0 0 L * *", ["2026-01-31T00:00", "2026-02-28T00:00"]],
    ["0 0 15W * *", ["2026-01-15T00:00", "2026-02-16T00:00"]],
    ["0 0 * * MON#2", ["2026-01-12T00:00", "2026-02-09T00:00"]],
    ["0 0 * * FRI#L", ["2026-01-30T00:00", "2026-02-27T00:00"]],
    ["@hourly", ["2026-01-01T01:00", "2026-01-01T02:00"]],
    ["@daily", ["2026-01-02T00:00", "2026-01-03T00:00"]],
    ["@midnight", ["2026-01-02T00:00", "2026-01-03T00:00"]],
    ["@Weekly", ["2026-01-04T00:00", "2026-01-11T00:00"]],
    ["@monthly", ["2026-02-01T00:00", "2026-03-01T00:00"]],
    ["@yearly", ["2027-01-01T00:00", "2028-01-01T00:00"]],
    ["@annually", ["2027-01-01T00:00", "2028-01-01T00:00"]],
    [" 0\t0  * * * ", ["2026-01-02T00:00", "2026-01-03T00:00"]],
  ])("of %j is %j", (expression, times) => {
    expect(timesOf(expression, "UTC", "2026-01-01T00:30:00.500Z", times.length)).toEqual(times);
  });

  test("is strictly after the instant given, and on a whole minute", () => {
    const cron = compiled("30 * * * *");
    expect(cron.next(new Date("2026-01-01T00:29:59.999Z"))).toEqual(new Date("2026-01-01T00:30:00Z"));
    expect(cron.next(new Date("2026-01-01T00:30:00.000Z"))).toEqual(new Date("2026-01-01T01:30:00Z"));
  });

  test.each(["0 0 30 2 *", "0 0 31 2,4,6,9,11 *"])("of %s does not exist", (expression) => {
    expect(compiled(expression, "Europe/Berlin").next(new Date("2026-01-01T00:00:00Z"))).toBeUndefined();
  });

  test("knows the zone's clock", () => {
    expect(timesOf("30 9 * * *", "Asia/Kathmandu", "2026-01-01T00:00:00Z", 1)).toEqual(["2026-01-01T03:45"]);
    expect(timesOf("30 9 * * *", "America/New_York", "2026-01-01T00:00:00Z", 1)).toEqual([
      "2026-01-01T14:30",
    ]);
  });

  test("of one time of day that falls into the gap is the end of the gap", () => {
    const days = ["2026-03-28T01:30", "2026-03-29T01:00", "2026-03-30T00:30"];
    expect(timesOf("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z", 3)).toEqual(days);
    const midnights = ["2018-11-04T03:00", "2018-11-05T02:00"];
    expect(timesOf("0 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00:00Z", 2)).toEqual(midnights);
    const halfAnHour = ["2026-10-03T15:30", "2026-10-04T15:15"];
    expect(timesOf("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", 2)).toEqual(halfAnHour);
  });

  test("of one time of day that comes twice is the first", () => {
    const days = ["2026-10-25T00:30", "2026-10-26T01:30"];
    expect(timesOf("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2)).toEqual(days);
    expect(timesOf("30 2 * * *", "Europe/Berlin", "2026-10-25T00:45:00Z", 1)).toEqual(["2026-10-26T01:30"]);
  });

  test("of several times of day leaves out those in the gap", () => {
    const days = ["2026-03-29T02:30", "2026-03-30T00:30", "2026-03-30T02:30"];
    expect(timesOf("30 2,4 * * *", "Europe/Berlin", "2026-03-28T20:00:00Z", 3)).toEqual(days);
    const halfHours = ["2026-03-29T00:30", "2026-03-29T01:00", "2026-03-29T01:30"];
    expect(timesOf("*/30 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", 3)).toEqual(halfHours);
  });

  test("of several times of day comes twice for those that do", () => {
    const times = ["2026-10-25T00:10", "2026-10-25T01:10", "2026-10-25T02:10", "2026-10-26T01:10"];
    expect(timesOf("10 2,3 * * *", "Europe/Berlin", "2026-10-24T20:00:00Z", 4)).toEqual(times);
    const hours = ["2026-10-25T00:15", "2026-10-25T01:15", "2026-10-25T02:15"];
    expect(timesOf("15 * * * *", "Europe/Berlin", "2026-10-25T00:00:00Z", 3)).toEqual(hours);
  });

  test("is the next minute at which the zone's clock shows one of several times of day", () => {
    fc.assert(
      fc.property(expressions, zones, instants, ({ text, matches }, zone, start) => {
        const end = start.getTime() + 36 * 60 * minuteMs;
        const expected: string[] = [];
        for (let time = start.getTime() + minuteMs; time <= end; time += minuteMs) {
          if (matches(clock(time, zone))) expected.push(new Date(time).toISOString());
        }
        const found = nextTimes(compiled(text, zone), start, expected.length + 1)
          .filter((time) => time.getTime() <= end)
          .map((time) => time.toISOString());
        expect({ text, zone, times: found }).toEqual({ text, zone, times: expected });
      }),
      { numRuns: 60 },
    );
  });

  test("is the same from wherever before it one asks", () => {
    const oneTime = fc.tuple(fc.integer({ min: 0, max: 59 }), fc.integer({ min: 0, max: 23 }));
    const texts = fc.oneof(
      oneTime.map(([minute, hour]) => `${minute} ${hour} * * *`),
      expressions.map(({ text }) => text),
    );
    fc.assert(
      fc.property(
        texts,
        zones,
        instants,
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (text, zone, start, part) => {
          const cron = compiled(text, zone);
          const next = cron.next(start);
          if (next === undefined) return;
          expect(next.getTime()).toBeGreaterThan(start.getTime());
          const between = start.getTime() + Math.floor((next.getTime() - start.getTime()) * part);
          expect(cron.next(new Date(between))).toEqual(next);
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe("compileCron", () => {
  test.each([
    ["", "does not have five fields: minute, hour, day of month, month, day of week"],
    ["0 0 * *", "does not have five fields: minute, hour, day of month, month, day of week"],
    ["0 0 0 1 1 *", "does not have five fields: minute, hour, day of month, month, day of week"],
    ["0 0 0 1 1 * 2030", "does not have five fields: minute, hour, day of month, month, day of week"],
    ["2026-01-01T00:00:00", "does not have five fields: minute, hour, day of month, month, day of week"],
    ["@reboot", "is not a name that stands for a cron expression"],
    ["60 * * * *", "has 60 as minute, which goes from 0 to 59"],
    ["* 1-24 * * *", "has 24 as hour, which goes from 0 to 23"],
    ["* * 0 * *", "has 0 as day of month, which goes from 1 to 31"],
    ["* * * 13 *", "has 13 as month, which goes from 1 to 12"],
    ["* * * * 8", "has 8 as day of week, which goes from 0 to 7"],
    ["? * * * *", "has characters in its minute that do not belong there"],
    ["0 0 29 2 +1", "has characters in its day of week that do not belong there"],
    ["1.5 * * * *", "has characters in its minute that do not belong there"],
    ["5-1 * * * *", "is not a cron expression: from value is larger than to value: '5-1'"],
    ["*/0 * * * *", "is not a cron expression: syntax error, illegal stepping: 0"],
    [`${"1,".repeat(200)}1 * * * *`, "is longer than 256 characters"],
  ])("refuses %j", (expression, fault) => {
    expect(compileCron(expression, "UTC")).toEqual({ fault });
  });

  test.each([
    "H * * * *",
    "* * * JANUARY *",
    "* * * * MON#6",
    "mon * * * *",
    "-1 * * * *",
    "1- * * * *",
    "L * * * *",
  ])("refuses %j, which the library does not understand", (expression) => {
    expect(compileCron(expression, "UTC")).toEqual({
      fault: expect.stringMatching(/^is not a cron expression: /),
    });
  });

  test.each(["Nowhere/Land", "", "+02:00", "Europe/Berlin ", "x".repeat(1000)])(
    "refuses the zone %j",
    (zone) => {
      expect(compileCron("* * * * *", zone)).toEqual({ fault: "is for a time zone that is not known" });
    },
  );

  test("never throws, and neither does what it makes", () => {
    const field = fc.string({
      unit: fc.constantFrom(..."0123456789*/,-#LWJANMO".split("")),
      minLength: 1,
      maxLength: 6,
    });
    const texts = fc.oneof(
      fc.string({ unit: "grapheme", maxLength: 40 }),
      fc.tuple(field, field, field, field, field).map((parts) => parts.join(" ")),
    );
    fc.assert(
      fc.property(texts, zones, instants, (text, zone, start) => {
        const cron = compileCron(text, zone);
        const next = "fault" in cron ? undefined : cron.next(start);
        expect(next === undefined || next > start).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});

interface Clock {
  readonly minute: number;
  readonly hour: number;
  readonly day: number;
  readonly month: number;
  readonly weekday: number;
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** What a clock in a zone shows. */
function clock(time: number, timeZone: string): Clock {
  const numeric = { minute: "numeric", hour: "numeric", day: "numeric", month: "numeric" } as const;
  const options = { ...numeric, year: "numeric", hourCycle: "h23", timeZone } as const;
  const format = formats.get(timeZone) ?? new Intl.DateTimeFormat("en", options);
  formats.set(timeZone, format);
  const shown = Object.fromEntries(
    format.formatToParts(time).map(({ type, value }) => [type, Number(value)]),
  );
  const { minute = 0, hour = 0, day = 0, month = 0, year = 0 } = shown;
  return { minute, hour, day, month, weekday: new Date(Date.UTC(year, month - 1, day)).getUTCDay() };
}

const zones = fc.constantFrom(
  "UTC",
  "Europe/Berlin",
  "America/New_York",
  "America/Sao_Paulo",
  "Australia/Lord_Howe",
  "Asia/Kathmandu",
  "Africa/Casablanca",
  "Antarctica/Troll",
);

/** Around changes of clocks, and at other times. */
const instants = fc
  .tuple(
    fc.constantFrom(
      "2026-03-28",
      "2026-10-24",
      "2026-03-07",
      "2026-10-31",
      "2018-11-03",
      "2026-10-03",
      "2026-07-01",
    ),
    fc.integer({ min: -720, max: 720 }),
  )
  .map(([day, minutes]) => new Date(Date.parse(day) + minutes * minuteMs));

/** A field's text, and the numbers that it stands for. */
function field(least: number, most: number): fc.Arbitrary<{ text: string; numbers: Set<number> }> {
  const range = (from: number, to: number, step = 1) =>
    Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, index) => from + index * step);
  const number = fc.integer({ min: least, max: most });
  return fc.oneof(
    fc.constant({ text: "*", numbers: new Set(range(least, most)) }),
    fc.integer({ min: 1, max: Math.floor((most - least) / 2) }).map((step) => {
      return { text: `*/${step}`, numbers: new Set(range(least, most, step)) };
    }),
    fc.tuple(number, number, fc.integer({ min: 1, max: 3 })).map(([a, b, step]) => {
      const [from, to] = [Math.min(a, b), Math.max(a, b)];
      return { text: `${from}-${to}/${step}`, numbers: new Set(range(from, to, step)) };
    }),
    fc.uniqueArray(number, { minLength: 2, maxLength: 4 }).map((list) => {
      return { text: list.join(","), numbers: new Set(list) };
    }),
  );
}

/** Expressions with several times of day, and whether a clock shows one of them. */
const expressions = fc
  .tuple(field(0, 59), field(0, 23), field(1, 31), field(1, 12), field(0, 6))
  .filter(([minute, hour]) => minute.numbers.size > 1 && hour.numbers.size > 1)
  .map(([minute, hour, day, month, weekday]) => ({
    text: [minute, hour, day, month, weekday].map(({ text }) => text).join(" "),
    matches: (shown: Clock) => {
      const isDay = day.numbers.has(shown.day);
      const isWeekday = weekday.numbers.has(shown.weekday);
      const eitherIsFree = day.text === "*" || weekday.text === "*";
      const matchesDay = eitherIsFree ? isDay && isWeekday : isDay || isWeekday;
      return (
        minute.numbers.has(shown.minute) &&
        hour.numbers.has(shown.hour) &&
        month.numbers.has(shown.month) &&
        matchesDay
      );
    },
  }));
