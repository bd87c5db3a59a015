import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { toYaml } from "./to-yaml.ts";

describe("toYaml", () => {
  const odd = ["yes", "No", "on", "OFF", "y", "1:30", "2026-01-01", "1_000", "0b11", "017", "<<", "=", "~"];

  test.each(odd)("quotes %j, which is something else in YAML 1.1", (text) => {
    expect(toYaml({ text })).toBe(`text: "${text}"\n`);
  });

  test("quotes such keys too", () => {
    expect(toYaml({ on: 1 })).toBe('"on": 1\n');
  });

  test("gives the same to readers of 1.1 and 1.2", () => {
    const value = { texts: odd, plain: "hello", numbers: [1, 1.5, -3], yes: true, none: null };
    expect(parse(toYaml(value), { version: "1.1" })).toEqual(value);
    expect(parse(toYaml(value), { version: "1.2" })).toEqual(value);
  });

  test("leaves texts that mean themselves as they are, however long", () => {
    const text = "word ".repeat(100).trim();
    expect(toYaml({ text })).toBe(`text: ${text}\n`);
  });
});
