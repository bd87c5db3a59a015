import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compileCondition, evaluate } from "./condition.ts";
import type { Json } from "./json.ts";

const values: Readonly<Record<string, Json>> = {
  A: {
    count: 5,
    price: 5.5,
    name: "Ada",
    none: null,
    done: true,
    tags: ["red", "blue"],
    items: [
      { n: 1, ok: true },
      { n: 2, ok: false },
      { n: 3, ok: true },
    ],
    data: { items: [{ id: "x" }], "a b": 1, length: "own" },
    smile: "😀!",
  },
  input: { limit: 10 },
  run: { id: "r1" },
  item: 3,
  "nodes A": { status: "completed" },
  "nodes a-b": { status: "failed", error: { message: "no" } },
};

function scope(name: string, node: string): Json | undefined {
  return values[node === "" ? name : `${name} ${node}`];
}

/** What a condition comes to: true, false, or its fault, at compilation or afterwards. */
function outcome(text: string): boolean | string {
  const compiled = compileCondition(text);
  if ("fault" in compiled) return compiled.fault;
  const result = evaluate(compiled.condition, scope);
  return "fault" in result ? result.fault : result.value;
}

describe("evaluate", () => {
  test.each([
    "true",
    "A.count > 3",
    "A.count == 5",
    "A.count == 5.0",
    "A.price > 5",
    "A.price == 5.5",
    "A.count + 1 == 6",
    "A.count * 2 <= 10.0",
    "A.count / 2 == 2.5",
    "int(A.price) == 5",
    "A.count % 2 == 1",
    "-A.count == -5",
    "1 - 2 - 3 == -4",
    '"5" != A.count',
    "A.none == null",
    'A.name == "Ada" && A.done',
    'A["name"] == "Ada"',
    'A.data["a b"] == 1',
    'A.data.items[0].id == "x"',
    "A.items[A.count - 4].n == 2",
    '"red" in A.tags',
    '!("green" in A.tags)',
    '"name" in A',
    "5 in [1, 5.0]",
    'A.tags == ["red", "blue"]',
    'A.tags + ["x"] == ["red", "blue", "x"]',
    'A.items[0] == {"ok": true, "n": 1}',
    'A.items[0] != {"n": 1} && A.items[0] != {"n": 1, "no": true} && A.items[0] != [1, true]',
    'A.tags != {"0": "red"} && A.tags != ["red"] && A.tags != null && "2" >= "10"',
    "size(A.tags) == 2 && A.tags.size() == 2 && size(A.data) == 3",
    "A.smile.size() == 2",
    "A.items.all(x, x.n > 0)",
    "A.items.exists(x, x.n == 2 && !x.ok)",
    "A.items.exists_one(x, x.n > 2)",
    "A.items.filter(x, x.ok).size() == 2",
    "A.items.map(x, x.n * 2) == [2, 4, 6]",
    "A.items.map(x, x.ok, x.n) == [1, 3]",
    "A.items.all(x, A.items.exists(y, y.n == x.n))",
    "A.items.map(x, A.items.filter(y, y.n < x.n).map(y, y.n + x.n)) == [[], [3], [4, 5]]",
    'A.data.exists(key, key == "items")',
    "[].all(x, false) && ![].exists(x, true)",
    'A.name.startsWith("A") && A.name.endsWith("a") && A.name.contains("d")',
    'A.name.lowerAscii() == "ada" && "é".upperAscii() == "é" && " x ".trim() == "x"',
    'A.name.matches("^[A-Z][a-z]+$")',
    "A.name.matches(r'^\\w+$')",
    'A.name + "!" > "Ada"',
    'string(A.count) + string(true) == "5true"',
    'int("7") == 7 && double("1.5e1") == 15 && dyn(1) == 1',
    'A.count > 3 ? A.name == "Ada" : false',
    'run.id == "r1" && item < input.limit',
    'nodes.A.status == "completed"',
    'nodes["a-b"].error.message == "no"',
    "has(A.count) && has(A.none) && !has(A.missing)",
    "has(nodes.A.status) && !has(nodes.A.error)",
  ])("holds: %s", (text) => {
    expect(outcome(text)).toBe(true);
  });

  test.each([
    ["A.missing > 1", "A.missing has no value"],
    ["A.data.items[7].id == 1", "A.data.items[7].id has no value"],
    ["A.items.all(x, x.m > 1)", "x.m has no value"],
    ["B.x", "B.x has no value"],
    ['nodes.B.status == "x"', "nodes.B.status has no value"],
    ['nodes["c-d"].status == "x"', 'nodes["c-d"].status has no value'],
    ["A.count", "the result of A.count is neither true nor false"],
    ["A.count && true", "&& needs true or false, and A.count is neither"],
    ["!A.name", "! needs true or false, and A.name is neither"],
    ["A.count ? true : false", "? needs true or false, and A.count is neither"],
    ["-A.name == 1", "- needs a number, and A.name is none"],
    ['A.count > "3"', "> can not compare a number with a text"],
    ["A.none < 1", "< can not compare null with a number"],
    ["A.name + 1 == 2", "+ can not add a number to a text"],
    ["A.name * 2 == 2", "* needs two numbers, not a text and a number"],
    ["A.count / 0 == 1", "/ divides by zero"],
    ["A.count % 0 == 1", "% divides by zero"],
    ["1e308 * 10 > 1", "* leaves the range of numbers"],
    ['"a" in A.name', "in needs a list or an object, not a text"],
    ["size(A.count) == 1", "size() needs a text, a list or an object, not a number"],
    ["int(A.name) == 1", "int() needs a number or a text that is one"],
    ["string(A.tags) == 'x'", "string() needs a text, a number, true or false, not a list"],
    ["A.count.contains('x')", "contains() needs a text, not a number"],
    ["A.count.matches('x')", "matches() needs a text"],
    ["A.count.all(x, true)", "all() needs a list or an object, and A.count is neither"],
    ["A.tags.filter(x, x) == []", "filter() needs true or false, and x is neither"],
    ["{1: 2} == {}", "a key of an object is not a text"],
    ["{'a': 2, 'a': 1} == {}", 'an object has the key "a" twice'],
  ])("says why %s has no outcome", (text, fault) => {
    expect(outcome(text)).toBe(fault);
  });

  test("needs only the operand that decides, on either side", () => {
    expect(outcome("A.missing > 1 || A.done")).toBe(true);
    expect(outcome("A.done || A.missing > 1")).toBe(true);
    expect(outcome("A.missing > 1 && !A.done")).toBe(false);
    expect(outcome("A.missing > 1 && A.done")).toBe("A.missing has no value");
    expect(outcome("A.items.exists(x, x.m > 1 || x.n == 3)")).toBe(true);
    expect(outcome("A.items.all(x, x.m > 1 && x.n == 3)")).toBe(false);
  });

  test("sees own members only", () => {
    for (const name of ["__proto__", "constructor", "toString", "hasOwnProperty"]) {
      expect(outcome(`has(A.${name})`)).toBe(false);
      expect(outcome(`"${name}" in A`)).toBe(false);
      expect(outcome(`A["${name}"] == 1`)).toBe(`A["${name}"] has no value`);
    }
    expect(outcome("has(A.tags.length)")).toBe(false);
    expect(outcome('A.data.length == "own"')).toBe(true);
    expect(outcome('{"__proto__": {"x": true}}.x')).toBe("(…).x has no value");
  });

  test("looks up only the names it reaches, each once", () => {
    const looked: string[] = [];
    const compiled = compileCondition("A.done && (A.count > 1 || B.x) && nodes.C.status == A.name");
    if ("fault" in compiled) throw new Error(compiled.fault);
    evaluate(compiled.condition, (name, node) => {
      looked.push(`${name} ${node}`);
      return scope(name, node);
    });
    expect(looked).toEqual(["A ", "nodes C"]);
  });

  test.each([
    "A.all(x, A.all(y, A.all(z, true)))",
    "A.map(x, A.map(y, A)).size() > 0",
    "A.all(x, A + A != [])",
    "A.all(x, x in A)",
    "A.all(x, A == A.map(y, y))",
    "A.all(x, B + B + B != '')",
    "A.all(x, B.matches('^(a+)+$'))",
    "A.all(x, B.lowerAscii().contains('aaaaaaaaab') || true)",
    "A.exists(x, A.exists(y, y < 0) || false) || true",
  ])("gives up on %s over large values", (text) => {
    const list = Array.from({ length: 30_000 }, (_, index) => index);
    const compiled = compileCondition(text);
    if ("fault" in compiled) throw new Error(compiled.fault);
    const result = evaluate(compiled.condition, (name) => (name === "A" ? list : "a".repeat(60_000)));
    expect(result).toEqual({ fault: "takes more than 500000 steps" });
  });
});

describe("compileCondition", () => {
  test("names what a condition looks up, each name once, and no variables of macros", () => {
    const text =
      'A.x > 1 && A.y > 1 && nodes.B.status == nodes["c-d"].status && input.l.all(x, x.y > item) && has(E.f)';
    const compiled = compileCondition(text);
    expect(compiled).toMatchObject({
      condition: { text },
      references: [
        { root: "A", node: undefined },
        { root: "nodes", node: "B" },
        { root: "nodes", node: "c-d" },
        { root: "input", node: undefined },
        { root: "item", node: undefined },
        { root: "E", node: undefined },
      ],
    });
  });

  test("takes a variable for the nearest macro's, and a name outside of it for itself", () => {
    const compiled = compileCondition("A.all(A, A.all(A, A)) || x");
    expect(compiled).toMatchObject({ references: [{ root: "A" }, { root: "x" }] });
  });

  test.each([
    ["", /^is not CEL: unexpected token: EOF/],
    ["A.x >", /^is not CEL: .*, at character 6$/],
    ["A.x = 1", /^is not CEL: /],
    ["A.all(1, true)", /^is not CEL: /],
    ["nodes == 1", /^has nodes without a node/],
    ["nodes[A.x].status", /^has nodes without a node/],
    ["has(A)", /^has has\(\) of what is not a path/],
    ["has(A.x, A.y)", /^(is not CEL: |has )/],
    ["b'x' == A", /^has bytes or an unsigned number/],
    ["1u == A", /^has bytes or an unsigned number/],
    [`${"9".repeat(400)} > 1`, /^has a number out of range$/],
    ["now() > 1", /^has now\(\), which is not known$/],
    ["A.x.join(',')", /^has \.join\(\), which is not known$/],
    ["A.constructor('x')", /^has \.constructor\(\), which is not known$/],
    ["A.int()", /^has \.int\(\), which is not known$/],
    ["contains(A, 'x')", /^has contains\(\), which is not known$/],
    ["A.contains()", /^calls contains\(\) with 0 operands$/],
    ["A.all(x, true, true)", /^calls all\(\) with 3 operands$/],
    ["A.all(x)", /^has all\(\) without a variable and an expression$/],
    ["A.matches(B.pattern)", /^has matches\(\) of what is not a text in quotes$/],
    ["A.matches('(a)\\\\1')", /^has matches\(\) of an expression that is not a regular expression/],
    [`${"!".repeat(400)}A`, /^is nested deeper than 250 levels$/],
    [`A${"||A".repeat(400)}`, /^is nested deeper than 250 levels$/],
    ["(".repeat(4000), /^is not CEL: /],
    ["-".repeat(4096), /^is (not CEL|nested)/],
    [" ".repeat(4097), /^is longer than 4096 characters$/],
  ])("refuses %j", (text, fault) => {
    expect(compileCondition(text)).toEqual({ fault: expect.stringMatching(fault) });
  });

  test("never throws, whatever it is given", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 80 }), (text) => {
        expect(typeof outcome(text)).toMatch(/boolean|string/);
      }),
    );
  });

  test("never throws on what looks like a condition, and neither does its evaluation", () => {
    fc.assert(
      fc.property(expressions, fc.jsonValue(), (text, value) => {
        const compiled = compileCondition(text);
        if ("fault" in compiled) return;
        const result = evaluate(compiled.condition, (name) => (name === "A" ? (value as Json) : undefined));
        expect("fault" in result || typeof result.value === "boolean").toBe(true);
      }),
      { numRuns: 2000 },
    );
  });
});

/** Sentences of the grammar, sensible or not. */
const { expressions } = fc.letrec<{ expressions: string }>((tie) => {
  const operand = tie("expressions");
  return {
    expressions: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      fc.constantFrom("A", "A.x", "A[0]", 'A["x"]', "x", "1", "2.5", '"a"', "true", "null", "[]", "{}"),
      fc
        .tuple(
          operand,
          fc.constantFrom("==", "!=", "<", ">=", "+", "-", "*", "/", "%", "in", "&&", "||"),
          operand,
        )
        .map(([left, operator, right]) => `(${left} ${operator} ${right})`),
      fc
        .tuple(operand, fc.constantFrom("all", "exists", "exists_one", "filter", "map"), operand)
        .map(([range, macro, body]) => `(${range}).${macro}(x, ${body})`),
      fc
        .tuple(fc.constantFrom("size", "int", "double", "string", "dyn", "!", "-"), operand)
        .map(([name, of]) => `${name}(${of})`),
      fc
        .tuple(operand, fc.constantFrom("size", "lowerAscii", "trim"))
        .map(([of, method]) => `(${of}).${method}()`),
      fc
        .tuple(operand, fc.constantFrom("contains", "startsWith", "endsWith"), operand)
        .map(([of, method, part]) => `(${of}).${method}(${part})`),
      fc.tuple(operand, operand, operand).map(([a, b, c]) => `(${a} ? ${b} : ${c})`),
      fc.tuple(operand, operand).map(([a, b]) => `[${a}, ${b}]`),
      fc.tuple(operand, operand).map(([a, b]) => `(${a})[${b}]`),
      operand.map((of) => `has((${of}).x)`),
      operand.map((of) => `{"x": ${of}}`),
    ),
  };
});
