import { describe, expect, test } from "vitest";
import { namedPlace, numberedPlace, pageToken, runPlace } from "./page-token.ts";

const runId = "00000000-0000-8000-8000-000000000000";

describe("a page token", () => {
  test("names the place that it was made for", () => {
    expect(numberedPlace(pageToken("events", [7]), "events")).toBe(7);
    expect(namedPlace(pageToken("workers", ["w1"]), "workers")).toBe("w1");
    expect(runPlace(pageToken("runs", [1_000, runId]), "runs")).toEqual({
      createdAt: new Date(1_000),
      runId,
    });
  });

  test("that is empty names none", () => {
    expect([numberedPlace("", "events"), namedPlace("", "workers"), runPlace("", "runs")]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  test.each([
    ["no JSON", "???"],
    ["no list", Buffer.from("1").toString("base64url")],
    ["another list", pageToken("others", [1])],
    ["a text", pageToken("events", ["x"])],
    ["a fraction", pageToken("events", [1.5])],
    ["more than Postgres compares", pageToken("events", [2 ** 31])],
    ["two parts", pageToken("events", [1, 2])],
  ])("is refused for numbers when it holds %s", (_, token) => {
    expect(() => numberedPlace(token, "events")).toThrow("is not a page token of this list");
  });

  test.each([
    ["a zero character", pageToken("workers", ["a\0"])],
    ["a number", pageToken("workers", [1])],
  ])("is refused for names when it holds %s", (_, token) => {
    expect(() => namedPlace(token, "workers")).toThrow("is not a page token of this list");
  });

  test.each([
    ["no run", pageToken("runs", [1, "x"])],
    ["no time", pageToken("runs", ["x", runId])],
    ["a time that Postgres does not read", pageToken("runs", [Date.parse("+010000-01-01"), runId])],
  ])("is refused for runs when it holds %s", (_, token) => {
    expect(() => runPlace(token, "runs")).toThrow("is not a page token of this list");
  });
});
