/* The conditions that docs/conditions.md shows come out as it says. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { compileCondition, evaluate } from "./condition.ts";
import type { Json } from "./json.ts";

const page = readFileSync(new URL("../../../docs/conditions.md", import.meta.url), "utf8");

/** The rows of the table: a condition and what it is. */
const rows = [...page.matchAll(/^\| `(.*)` \| (true|false|a fault) \|$/gm)].map(
  ([, condition = "", value = ""]) => {
    return [condition.replaceAll("\\|", "|"), value] as const;
  },
);

const [, shown = "{}"] = /`A` is `(\{[^`]*\})`/.exec(page.replaceAll("\n", " ")) ?? [];
const values: Readonly<Record<string, Json>> = {
  A: JSON.parse(shown) as Json,
  input: { flag: true },
  run: { name: "demo" },
};
const nodes: Readonly<Record<string, Json>> = {
  A: { status: "completed", error: null },
  "b-2": { status: "failed", error: { reason: "TIMED_OUT" } },
};

test("the page has all of its rows", () => {
  expect(rows.length).toBe(page.split("\n").filter((line) => line.startsWith("| `")).length);
  expect(rows.length).toBeGreaterThan(30);
});

test.each(rows)("%s is %s", (text, expected) => {
  const compiled = compileCondition(text);
  if ("fault" in compiled) throw new Error(compiled.fault);
  const found = evaluate(compiled.condition, (name, node) => (name === "nodes" ? nodes[node] : values[name]));
  expect("fault" in found ? "a fault" : String(found.value)).toBe(expected);
});
