import { describe, expect, test } from "vitest";
import { cronOfWords } from "./cron-words.ts";

describe("cronOfWords", () => {
  test.each([
    ["0 12 * * MON-FRI", "0 12 * * MON-FRI"],
    ["  */5   * * * * ", "*/5 * * * *"],
    ["every minute", "* * * * *"],
    ["every 1 minute", "* * * * *"],
    ["Every 15 Minutes", "*/15 * * * *"],
    ["every hour", "0 * * * *"],
    ["every 6 hours", "0 */6 * * *"],
    ["every day", "0 0 * * *"],
    ["every 2 days", "0 0 */2 * *"],
    ["every week", "0 0 * * 0"],
    ["every month", "0 0 1 * *"],
    ["every 3 months", "0 0 1 */3 *"],
    ["every monday", "0 0 * * 1"],
    ["every sunday", "0 0 * * 0"],
    ["every 15 of january", "0 0 15 1 *"],
    ["every 31 of december", "0 0 31 12 *"],
  ])("reads %j as %s", (text, cron) => {
    expect(cronOfWords(text)).toBe(cron);
  });

  test.each([
    "",
    "* * * *",
    "* * * * * *",
    "@daily",
    "every",
    "every 0 minutes",
    "every 60 minutes",
    "every 2 weeks",
    "every 32 of january",
    "every 1 of nowhere",
    "every constructor",
    "every monday morning",
  ])("does not read %j", (text) => {
    expect(cronOfWords(text)).toBeUndefined();
  });
});
