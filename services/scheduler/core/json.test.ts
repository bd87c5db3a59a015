import { describe, expect, test } from "vitest";
import { canonicalText } from "./definition.ts";
import { isJsonObject, jsonBytes, maxJsonDepth, parseJson } from "./json.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

describe("parseJson", () => {
  test("reads what jsonBytes writes", () => {
    const value = { a: [1, null, "ä\u0000"], __proto__: undefined };
    expect(parseJson(jsonBytes({ a: value.a }))).toEqual({ value: { a: value.a } });
  });

  test.each(["", "{", "undefined", '"\ud800'])("says what is wrong with %j", (text) => {
    expect(parseJson(bytes(text))).toEqual({ fault: "is not UTF-8 JSON" });
  });

  test("refuses bytes that are not UTF-8", () => {
    expect(parseJson(new Uint8Array([34, 0xff, 34]))).toEqual({ fault: "is not UTF-8 JSON" });
  });

  // Pins a run whose fold was another than the run itself: infinity is written as null.
  test("refuses numbers beyond the largest, wherever they stand", () => {
    for (const text of ["1e999", '{"a":[1,{"b":-1e999}]}', "9".repeat(400)]) {
      expect(parseJson(bytes(text))).toEqual({ fault: "has a number that is too large" });
    }
    expect(parseJson(bytes("[1e308,-0,1e-999]"))).toHaveProperty("value");
  });

  test("refuses what is nested too deep, and takes what is not", () => {
    const nested = (depth: number) => bytes("[".repeat(depth) + "]".repeat(depth));
    expect(parseJson(nested(maxJsonDepth))).toHaveProperty("value");
    expect(parseJson(nested(maxJsonDepth + 1))).toEqual({
      fault: `is nested deeper than ${maxJsonDepth} levels`,
    });
    expect(parseJson(nested(50_000))).toHaveProperty("fault");
  });
});

test("isJsonObject takes objects, not lists and null", () => {
  expect([{}, [], null, "x", undefined].map((value) => isJsonObject(value))).toEqual([
    true,
    false,
    false,
    false,
    false,
  ]);
});

test("canonicalText is the same whatever the order of keys, and another for another content", () => {
  const definition = (config: Record<string, never>) => ({
    name: "x",
    nodes: [{ id: "A", handler: "noop", dependencies: [], config }],
  });
  const one = canonicalText(definition({ b: { d: 1, c: [2, { f: 3, e: 4 }] }, a: null } as never));
  const same = canonicalText(definition({ a: null, b: { c: [2, { e: 4, f: 3 }], d: 1 } } as never));
  expect(one).toBe(same);
  expect(canonicalText(definition({ a: 1 } as never))).not.toBe(one);
});
