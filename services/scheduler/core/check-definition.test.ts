import { describe, expect, test } from "vitest";
import { faultsOf } from "./check-definition.ts";
import type { Definition, NodeDefinition } from "./definition.ts";

const node = (
  id: string,
  dependencies: string[] = [],
  config: NodeDefinition["config"] = {},
): NodeDefinition => ({
  id,
  handler: "noop",
  dependencies,
  config,
});

const definition = (...nodes: NodeDefinition[]): Definition => ({ name: "test", nodes });

const check = (...nodes: NodeDefinition[]) =>
  faultsOf(definition(...nodes), (handler) => handler === "noop").map(
    ({ path, reason }) => `${path} ${reason}`,
  );

describe("faultsOf", () => {
  test("finds none in a diamond with templates of everything upstream", () => {
    const nodes = [
      node("A"),
      node("B", ["A"], { x: "{{ A.y }}" }),
      node("C", ["A"], { x: "{{ input.z }} {{ run.id }}" }),
      node("D", ["B", "C"], { x: "{{ A.y }}{{ B }}{{ nodes.C.status }}" }),
    ];
    expect(check(...nodes)).toEqual([]);
  });

  test("finds all faults at once, each with its path", () => {
    const faults = check(
      node("A", ["X"]),
      node("A"),
      node("input"),
      node("3x"),
      { ...node("B", ["A", "A"]), handler: "unknown" },
      node("C", ["C"]),
      node("D", [], { list: ["", "{{ B.x }}"], open: "{{ B" }),
    );
    expect(faults.toSorted()).toEqual(
      [
        "dag.nodes[0].dependencies[0] UNKNOWN_DEPENDENCY",
        "dag.nodes[1].id DUPLICATE_NODE",
        "dag.nodes[2].id FIELD_INVALID",
        "dag.nodes[3].id FIELD_INVALID",
        "dag.nodes[4].handler UNKNOWN_HANDLER",
        "dag.nodes[4].dependencies[1] FIELD_INVALID",
        "dag.nodes[5].dependencies[0] DAG_CYCLE",
        "dag.nodes[6].config.list[1] TEMPLATE_INVALID",
        "dag.nodes[6].config.open TEMPLATE_INVALID",
      ].toSorted(),
    );
  });

  test("names what a fault is about, as the contract lists it for its reason", () => {
    const [first] = faultsOf(definition(node("B", ["X"])), () => true);
    expect(first).toMatchObject({
      reason: "UNKNOWN_DEPENDENCY",
      metadata: { node: "B", dependency: "X" },
    });
  });

  test("shows the two ends of a long cycle only", () => {
    const names = Array.from({ length: 1_000 }, (_, index) => `N${index}`);
    const [first] = faultsOf(
      definition(...names.map((id, index) => node(id, [names.at(index - 1) ?? ""]))),
      () => true,
    );
    expect(first?.reason).toBe("DAG_CYCLE");
    expect(first?.metadata?.["cycle"]).toContain("(981 more)");
    expect(first?.metadata?.["cycle"]?.split(" -> ")).toHaveLength(21);
  });

  test("lists no more faults than an error can carry, however many dependencies are unknown", () => {
    const unknown = Array.from({ length: 50_000 }, (_, index) => `X${index}`);
    expect(check(node("A", unknown), node("B", unknown))).toHaveLength(100);
  });

  test("lists a cycle in the order of its dependencies", () => {
    const faults = faultsOf(
      definition(node("S"), node("A", ["C", "S"]), node("B", ["A"]), node("C", ["B"]), node("D", ["C"])),
      () => true,
    );
    expect(faults).toHaveLength(1);
    const [fault] = faults;
    expect(fault?.reason).toBe("DAG_CYCLE");
    const cycle = /circle: (.*)$/.exec(fault?.message ?? "")?.[1]?.split(" -> ") ?? [];
    expect(cycle.at(0)).toBe(cycle.at(-1));
    expect(new Set(cycle)).toEqual(new Set(["A", "B", "C"]));
    const dependsOn: Record<string, string[]> = { A: ["C", "S"], B: ["A"], C: ["B"] };
    for (const [index, id] of cycle.slice(0, -1).entries())
      expect(dependsOn[cycle[index + 1] ?? ""]).toContain(id);
  });

  test("names the dependency that closes the cycle", () => {
    const nodes = [node("A", ["B"]), node("B", ["A"])];
    const [fault] = faultsOf(definition(...nodes), () => true);
    expect(fault?.path).toMatch(/^dag\.nodes\[[01]\]\.dependencies\[0\]$/);
  });

  test("refuses a template of a node that is not upstream, and of item", () => {
    const faults = check(
      node("A"),
      node("B", [], { x: "{{ A.y }}", z: "{{ item }}", n: "{{ nodes.Z.status }}" }),
    );
    expect(faults).toEqual([
      "dag.nodes[1].config.x TEMPLATE_INVALID",
      "dag.nodes[1].config.z TEMPLATE_INVALID",
      "dag.nodes[1].config.n TEMPLATE_INVALID",
    ]);
  });

  test("leaves the source of a program alone", () => {
    const program = {
      ...node("A", [], { source: 'print(f"{{x}}")', input: "{{ B.x }}" }),
      handler: "program",
    };
    const faults = faultsOf(definition(program), () => true).map(({ path }) => path);
    expect(faults).toEqual(["dag.nodes[0].config.input"]);
  });

  test("checks a chain of 10,000 nodes that all name the first, and a circle of as many", () => {
    const chain = Array.from({ length: 10_000 }, (_, index) =>
      node(`n${index}`, index === 0 ? [] : [`n${index - 1}`], index === 0 ? {} : { x: "{{ n0.x }}" }),
    );
    expect(check(...chain)).toEqual([]);
    const [first, ...rest] = chain;
    expect(check({ ...(first ?? node("n0")), dependencies: ["n9999"] }, ...rest)).toEqual([
      expect.stringContaining("DAG_CYCLE"),
    ]);
  });

  test("refuses none and too many nodes", () => {
    expect(check()).toEqual(["dag.nodes FIELD_INVALID"]);
    expect(check(...Array.from({ length: 10_001 }, (_, index) => node(`n${index}`)))).toEqual([
      "dag.nodes FIELD_INVALID",
    ]);
  });
});

test("faultsOf counts dependencies before it looks at them", () => {
  const many = node(
    "A",
    Array.from({ length: 100_001 }, () => "A"),
  );
  expect(check(many)).toEqual(["dag.nodes FIELD_INVALID"]);
});

describe("conditions and lists", () => {
  const failing = (nodes: NodeDefinition[], more: Partial<Definition> = {}) =>
    faultsOf({ ...definition(...nodes), ...more }, () => true).map(({ path, reason }) => `${path} ${reason}`);

  test("name what is upstream, the input, the run, and the item where there is one", () => {
    const forEach = { items: "{{ A.list }}" };
    const nodes = [
      node("A"),
      { ...node("B", ["A"], { x: "{{ item.x }} {{ nodes.A.status }}" }), forEach, when: "item.n > A.n" },
      { ...node("C", ["B"]), when: 'nodes["A"].status == "completed" && has(input.x) && run.id != ""' },
    ];
    expect(failing(nodes)).toEqual([]);
  });

  test("are refused when they name anything else, or can not be read", () => {
    const nodes = [
      { ...node("A"), when: "B.x == 1" },
      { ...node("B"), when: "item == 1" },
      { ...node("C"), when: "1 +" },
      { ...node("D", [], { x: "{{ item }}" }), forEach: { items: "{{ item }}" } },
      { ...node("E", ["D"]), forEach: { items: ["{{ nodes.Z.error }}", "{{ E }}"] } },
    ];
    expect(failing(nodes)).toEqual([
      "dag.nodes[0].when CONDITION_INVALID",
      "dag.nodes[1].when CONDITION_INVALID",
      "dag.nodes[2].when CONDITION_INVALID",
      "dag.nodes[3].for_each.items TEMPLATE_INVALID",
      "dag.nodes[4].for_each.items[0] TEMPLATE_INVALID",
      "dag.nodes[4].for_each.items[1] TEMPLATE_INVALID",
    ]);
  });

  test("leave what is wrong with a template within a list to be told once", () => {
    expect(failing([{ ...node("A"), forEach: { items: "{{ A | }}" } }])).toEqual([
      "dag.nodes[0].for_each.items TEMPLATE_INVALID",
    ]);
  });
});

describe("the node for failures", () => {
  const failing = (onFailure: string, ...nodes: NodeDefinition[]) =>
    faultsOf({ ...definition(...nodes), onFailure }, () => true).map(
      ({ path, reason }) => `${path} ${reason}`,
    );

  test("may name every node but itself, and why the run failed", () => {
    const handler = node("H", [], { x: "{{ nodes.A.error.reason }} {{ B.y }} {{ run.failure.message }}" });
    expect(failing("H", node("A"), handler, node("B", ["A"]))).toEqual([]);
    expect(failing("H", node("A"), node("H", [], { x: "{{ H.x }}" }))).toEqual([
      "dag.nodes[1].config.x TEMPLATE_INVALID",
    ]);
  });

  test("has to be there, and to stand alone, without a condition or a policy for its own failure", () => {
    const wrong = ["dag.nodes[1] FIELD_INVALID"];
    expect(failing("Z", node("A"))).toEqual(["dag.on_failure UNKNOWN_DEPENDENCY"]);
    expect(failing("H", node("A"), node("H", ["A"]))).toEqual(wrong);
    expect(failing("H", node("A"), { ...node("H"), when: "true" })).toEqual(wrong);
    expect(failing("H", node("A"), { ...node("H"), onFailure: "continue" })).toEqual(wrong);
    expect(failing("H", node("A", ["B", "H"]), node("H"), node("B"))).toEqual([
      "dag.nodes[0].dependencies[1] FIELD_INVALID",
    ]);
  });
});
