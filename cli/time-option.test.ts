import { InvalidArgumentError } from "commander";
import { describe, expect, test } from "vitest";
import { parseMoment, parseMomentAhead } from "./time-option.ts";

describe("parseMoment", () => {
  test("reads times with a zone as they are, and dates as this machine's", () => {
    expect(parseMoment("2026-11-21T01:49:00Z").toISOString()).toBe("2026-11-21T01:49:00.000Z");
    expect(parseMoment("2026-11-21")).toEqual(new Date(2026, 10, 21));
  });

  test("reads how long ago, and how long until", () => {
    const before = Date.now();
    const ago = before - parseMoment("2h").getTime();
    const ahead = parseMomentAhead("2h").getTime() - before;
    expect(Math.round(ago / 60_000)).toBeLessThanOrEqual(120);
    expect(Math.round(ahead / 60_000)).toBeGreaterThanOrEqual(120);
  });

  test.each(["", "now", "90", "2026-13-01", "yesterday"])("refuses %j", (text) => {
    expect(() => parseMoment(text)).toThrow(InvalidArgumentError);
  });
});
