import { expect, test } from "vitest";
import { aNode } from "../../../test/support/a-run.ts";
import type { Definition } from "./definition.ts";
import { compileNode, planOf } from "./plan.ts";

const definition = (more: Partial<Definition> = {}): Definition => ({
  name: "test",
  nodes: [aNode("A"), aNode("B", ["A", "A"]), aNode("C", ["B", "A"])],
  ...more,
});

test("links nodes by index, each pair once, whatever is named twice", () => {
  const { nodes, indexOf } = planOf(definition());
  expect(nodes.map(({ dependencies }) => dependencies)).toEqual([[], [0], [1, 0]]);
  expect(nodes.map(({ dependents }) => dependents)).toEqual([[1, 2], [2], []]);
  expect([...indexOf]).toEqual([
    ["A", 0],
    ["B", 1],
    ["C", 2],
  ]);
});

test("gives nodes the defaults of the contract", () => {
  expect(planOf(definition()).nodes[0]).toMatchObject({
    engine: undefined,
    onFailure: "fail_run",
    queue: "",
    labels: {},
    priority: 0,
    replayInput: false,
    forEach: undefined,
    config: { kind: "constant" },
  });
  const items = { nodes: [aNode("A", [], { forEach: { items: [] } })] };
  expect(planOf(definition(items)).nodes[0]?.forEach?.maxParallel).toBe(Number.POSITIVE_INFINITY);
});

test("compiles the schema of the input, and does not begin with one that was never checked", () => {
  const inputSchema = { type: "object", required: ["n"] };
  expect(planOf(definition({ inputSchema })).inputSchema?.check({})).toHaveLength(1);
  expect(() => planOf(definition({ inputSchema: { type: "no type" } }))).toThrow("does not compile");
});

test("leaves the source of a program alone, and nothing else of it", () => {
  const config = { source: "print('{{ x }}')", input: "{{ A.y }}", file_name: "a.py" };
  const { references, faults } = compileNode(aNode("B", ["A"], { handler: "program", config }));
  expect(references.map(({ at, root }) => `${at} ${root}`)).toEqual([".config.input A"]);
  expect(faults).toEqual([]);
  const other = compileNode(aNode("B", [], { handler: "noop", config: { source: "{{ x" } }));
  expect(other.faults).toMatchObject([{ at: ".config.source", message: "is not closed" }]);
});

test("takes a handler for what it is called, also when everything in JavaScript has a member of that name", () => {
  const config = { text: "{{ A.y }}" };
  for (const handler of ["toString", "constructor", "__proto__"]) {
    expect(compileNode(aNode("B", ["A"], { handler, config })).references).toHaveLength(1);
  }
});

test("tells a condition that can not be read, and asks one that names the item for each", () => {
  expect(compileNode(aNode("A", [], { when: "1 +" })).faults).toMatchObject([
    { at: ".when", template: "1 +" },
  ]);
  expect(compileNode(aNode("A", [], { when: "item > 1" })).isAskedPerItem).toBe(true);
  expect(compileNode(aNode("A", [], { when: "input.item > 1" })).isAskedPerItem).toBe(false);
});
