import { InvalidArgumentError } from "commander";
import { describe, expect, test } from "vitest";
import { formatDuration, parseDuration } from "./duration.ts";

describe("parseDuration", () => {
  test.each([
    ["90", 90_000],
    ["1.5", 1_500],
    ["250ms", 250],
    ["10m", 600_000],
    ["1h30m", 5_400_000],
    ["7d", 604_800_000],
  ])("reads %s", (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  test.each(["", "abc", "10 m", "-5s", "1m2"])("refuses %j", (text) => {
    expect(() => parseDuration(text)).toThrow(InvalidArgumentError);
  });
});

describe("formatDuration", () => {
  test.each([
    [0, "0ms"],
    [12.4, "12ms"],
    [100, "0.1s"],
    [4_100, "4.1s"],
    [130_000, "2m 10s"],
    [11_100_000, "3h 5m"],
    [180_000_000, "2d 2h"],
    [-5, "0ms"],
  ])("writes %i ms as %s", (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });
});
