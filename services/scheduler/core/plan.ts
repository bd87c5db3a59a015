import type { Definition } from "./definition.ts";
import { type Compiled, compile, type Reference, type TemplateFault } from "./template.ts";

/** A definition prepared for running: nodes by index, shared by all runs of it. Needs no cycle check to be made. */
export interface Plan {
  readonly definition: Definition;
  readonly nodes: readonly PlannedNode[];
  readonly indexOf: ReadonlyMap<string, number>;
}

/** One node of a plan. */
export interface PlannedNode {
  readonly index: number;
  readonly id: string;
  readonly handler: string;
  readonly dependencies: readonly number[];
  /** Nodes that wait for this one. */
  readonly dependents: readonly number[];
  readonly config: Compiled;
}

/** Config keys that hold code and are never templated, by handler. */
const codeKeys: Readonly<Record<string, readonly string[]>> = { program: ["source"] };

/** Prepares a definition whose dependencies all exist. */
export function planOf(definition: Definition): Plan {
  const indexOf = new Map(definition.nodes.map((node, index) => [node.id, index]));
  const dependents: number[][] = definition.nodes.map(() => []);
  const nodes = definition.nodes.map((node, index): PlannedNode => {
    const dependencies = [...new Set(node.dependencies)].flatMap((id) => indexOf.get(id) ?? []);
    for (const dependency of dependencies) dependents[dependency]?.push(index);
    return {
      index,
      id: node.id,
      handler: node.handler,
      dependencies,
      dependents: dependents[index] ?? [],
      config: compileConfig(node).config,
    };
  });
  return { definition, nodes, indexOf };
}

/** Takes the templates of a node's config apart, and lists what they name and what is wrong with them. */
export function compileConfig(node: Definition["nodes"][number]): {
  readonly config: Compiled;
  readonly references: readonly Reference[];
  readonly faults: readonly TemplateFault[];
} {
  const found = { references: [] as Reference[], faults: [] as TemplateFault[] };
  const code = codeKeys[node.handler] ?? [];
  const entries = Object.entries(node.config).map(([key, value]) => {
    const compiled: Compiled = code.includes(key)
      ? { kind: "constant", value }
      : compile(value, found, `.${key}`);
    return [key, compiled] as const;
  });
  const config: Compiled = entries.every(([, value]) => value.kind === "constant")
    ? { kind: "constant", value: node.config }
    : { kind: "object", entries };
  return { config, ...found };
}
