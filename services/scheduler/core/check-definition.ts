/*
 * Finds every fault of a definition before anything of it is stored. Works
 * without recursion over the graph, so that a chain of 10,000 nodes is nothing
 * special.
 */
import type { FieldFault } from "../../../lib/errors/domain-error.ts";
import { isNodeId } from "../../../lib/ids/task-id.ts";
import { policyFaults } from "./check-policies.ts";
import type { Definition, NodeDefinition } from "./definition.ts";

import { compileNode } from "./plan.ts";

/** How many nodes a definition may have. */
export const maxNodes = 10_000;

/** How many dependencies all nodes may have together: each is walked at every start. */
const maxDependencies = 100_000;

/** How many faults are listed: they travel in the headers of an error. */
export const maxFaults = 100;

/** How many nodes of a cycle are named. */
const maxCycleNames = 20;

/** Names that mean something else in templates. */
const reservedIds = new Set(["input", "run", "item", "nodes"]);

/** Answers what is wrong with a definition, most important first; empty when it may be stored. Paths begin at `dag`. */
export function faultsOf(definition: Definition, knowsHandler: (handler: string) => boolean): FieldFault[] {
  const { nodes } = definition;
  if (nodes.length === 0) return [fault("dag.nodes", "FIELD_INVALID", "has no node")];
  if (nodes.length > maxNodes) {
    return [fault("dag.nodes", "FIELD_INVALID", `has ${nodes.length} nodes, more than ${maxNodes}`)];
  }
  const dependencies = nodes.reduce((sum, node) => sum + node.dependencies.length, 0);
  if (dependencies > maxDependencies) {
    const message = `has ${dependencies} dependencies in all, more than ${maxDependencies}`;
    return [fault("dag.nodes", "FIELD_INVALID", message)];
  }
  const indexOf = new Map<string, number>();
  const faults = nodes.flatMap((node, index) => [
    ...idFaults(node, index, indexOf),
    ...handlerFaults(node, index, knowsHandler),
    ...policyFaults(node, `dag.nodes[${index}]`),
  ]);
  nodes.forEach((node, index) => {
    addDependencyFaults(node, { index, indexOf, faults });
  });
  const order = sortedIndexes(nodes, indexOf);
  if (order.length < nodes.length) {
    const cycle = findCycle(nodes, indexOf, new Set(order));
    const first = indexOf.get(cycle[0] ?? "") ?? 0;
    const position = nodes[first]?.dependencies.indexOf(cycle.at(-2) ?? "") ?? 0;
    const path = `dag.nodes[${first}].dependencies[${Math.max(position, 0)}]`;
    const message = `the nodes depend on each other in a circle: ${cycleText(cycle)}`;
    faults.push(fault(path, "DAG_CYCLE", message, { cycle: cycleText(cycle) }));
  }
  faults.push(...failureNodeFaults(definition, indexOf));
  faults.push(...templateFaults(definition, indexOf, order));
  return faults.slice(0, maxFaults);
}

function idFaults(node: NodeDefinition, index: number, indexOf: Map<string, number>): FieldFault[] {
  const path = `dag.nodes[${index}].id`;
  if (!isNodeId(node.id)) {
    return [fault(path, "FIELD_INVALID", "is not of the form [A-Za-z_][A-Za-z0-9_-]{0,62}")];
  }
  if (reservedIds.has(node.id)) return [fault(path, "FIELD_INVALID", `"${node.id}" is reserved`)];
  const earlier = indexOf.get(node.id);
  if (earlier !== undefined) {
    const message = `"${node.id}" is the id of dag.nodes[${earlier}] too`;
    return [fault(path, "DUPLICATE_NODE", message, { node: node.id })];
  }
  indexOf.set(node.id, index);
  return [];
}

/** Adds at most as many faults as are listed; a request has room for millions of dependencies. */
function addDependencyFaults(
  { id, dependencies }: NodeDefinition,
  {
    index,
    indexOf,
    faults,
  }: { readonly index: number; readonly indexOf: ReadonlyMap<string, number>; readonly faults: FieldFault[] },
): void {
  const named = new Set<string>();
  for (const [position, dependency] of dependencies.entries()) {
    if (faults.length >= maxFaults) return;
    const path = `dag.nodes[${index}].dependencies[${position}]`;
    if (!indexOf.has(dependency)) {
      const metadata = { node: shown(id), dependency: shown(dependency) };
      const message = `there is no node "${shown(dependency)}"`;
      faults.push(fault(path, "UNKNOWN_DEPENDENCY", message, metadata));
    } else if (named.has(dependency)) {
      faults.push(fault(path, "FIELD_INVALID", `names "${shown(dependency)}" twice`));
    }
    named.add(dependency);
  }
}

function handlerFaults(
  node: NodeDefinition,
  index: number,
  knowsHandler: (handler: string) => boolean,
): FieldFault[] {
  if (knowsHandler(node.handler)) return [];
  const path = `dag.nodes[${index}].handler`;
  const metadata = { node: shown(node.id), handler: shown(node.handler) };
  return [fault(path, "UNKNOWN_HANDLER", `no worker ever offered "${shown(node.handler)}"`, metadata)];
}

/** Indexes of nodes with every dependency before its dependents; without those on or behind a cycle. */
function sortedIndexes(nodes: readonly NodeDefinition[], indexOf: ReadonlyMap<string, number>): number[] {
  const dependents: number[][] = nodes.map(() => []);
  const waitsFor = nodes.map((node, index) => {
    const known = new Set(node.dependencies.flatMap((id) => indexOf.get(id) ?? []));
    for (const dependency of known) dependents[dependency]?.push(index);
    return known.size;
  });
  const order = waitsFor.flatMap((count, index) => (count === 0 ? [index] : []));
  for (let next = 0; next < order.length; next += 1) {
    for (const dependent of dependents[order[next] ?? 0] ?? []) {
      waitsFor[dependent] = (waitsFor[dependent] ?? 0) - 1;
      if (waitsFor[dependent] === 0) order.push(dependent);
    }
  }
  return order;
}

/** Walks from a node that could not be sorted to dependencies that could not either, until one comes again. */
function findCycle(
  nodes: readonly NodeDefinition[],
  indexOf: ReadonlyMap<string, number>,
  sorted: ReadonlySet<number>,
): string[] {
  const start = nodes.findIndex((_, index) => !sorted.has(index));
  const seen = new Map<string, number>();
  const walked: string[] = [];
  let node = nodes[start];
  while (node !== undefined && !seen.has(node.id)) {
    seen.set(node.id, walked.length);
    walked.push(node.id);
    const next: number | undefined = node.dependencies
      .flatMap((id) => indexOf.get(id) ?? [])
      .find((index) => !sorted.has(index));
    node = next === undefined ? undefined : nodes[next];
  }
  if (node === undefined) return walked;
  const cycle = walked.slice(seen.get(node.id)).reverse();
  const [first] = cycle;
  return first === undefined ? cycle : [...cycle, first];
}

/** What is wrong with the node that is carried out when the run fails. */
function failureNodeFaults(
  { nodes, onFailure }: Definition,
  indexOf: ReadonlyMap<string, number>,
): FieldFault[] {
  if (onFailure === undefined) return [];
  const index = indexOf.get(onFailure);
  if (index === undefined) {
    const message = `there is no node "${shown(onFailure)}"`;
    return [fault("dag.on_failure", "UNKNOWN_DEPENDENCY", message, { dependency: shown(onFailure) })];
  }
  const message =
    "is carried out when the run fails, and so has no dependencies, condition or policy for failure";
  const { dependencies, when, onFailure: policy } = nodes[index] ?? { dependencies: [] };
  if (dependencies.length > 0 || when !== undefined || policy !== undefined) {
    return [fault(`dag.nodes[${index}]`, "FIELD_INVALID", message)];
  }
  const dependent = nodes.findIndex((node) => node.dependencies.includes(onFailure));
  if (dependent < 0) return [];
  const position = nodes[dependent]?.dependencies.indexOf(onFailure) ?? 0;
  const path = `dag.nodes[${dependent}].dependencies[${position}]`;
  return [
    fault(path, "FIELD_INVALID", `"${onFailure}" is carried out when the run fails; nothing can wait for it`),
  ];
}

/** What is wrong with the templates and conditions of all nodes. */
function templateFaults(
  { nodes, onFailure }: Definition,
  indexOf: ReadonlyMap<string, number>,
  order: readonly number[],
): FieldFault[] {
  const upstream = new Upstream(nodes, indexOf, order);
  const sorted = new Set(order);
  return nodes.flatMap((node, index) => {
    const path = `dag.nodes[${index}]`;
    const compiled = compileNode(node);
    return [
      ...compiled.faults.map(({ at, template, message }) => {
        return referenceFault({ path: path + at, node, at, template, message: ` ${message}` });
      }),
      ...compiled.references.flatMap((reference) => {
        const { at, template, root, node: named } = reference;
        if (root === "input" || root === "run") return [];
        if (root === "item" && node.forEach !== undefined && at !== ".for_each.items") return [];
        const used = root === "nodes" ? (named ?? "") : root;
        const target = indexOf.get(used);
        // On a cycle, or behind one, there is no upstream to speak of; everything is upstream of the node for failures.
        const mayName =
          node.id === onFailure || !sorted.has(index) || upstream.includes(index, target ?? index);
        if (target !== undefined && target !== index && mayName) return [];
        const message =
          root === "item"
            ? ": item is known within for_each only"
            : target === undefined
              ? `: there is no node "${shown(used)}"`
              : `: "${used}" is not upstream of "${node.id}"`;
        return [referenceFault({ path: path + at, node, at, template, message })];
      }),
    ];
  });
}

function referenceFault({
  path,
  node,
  at,
  template,
  message,
}: {
  readonly path: string;
  readonly node: NodeDefinition;
  readonly at: string;
  readonly template: string;
  readonly message: string;
}): FieldFault {
  const text = shown(template);
  return at === ".when"
    ? fault(path, "CONDITION_INVALID", `${text}${message}`, { node: shown(node.id), condition: text })
    : fault(path, "TEMPLATE_INVALID", `${text}${message}`, { node: shown(node.id), template: text });
}

/** Which nodes come before which: a row of bits for each node, made when first asked for. */
class Upstream {
  readonly #nodes: readonly NodeDefinition[];
  readonly #indexOf: ReadonlyMap<string, number>;
  readonly #order: readonly number[];
  readonly #words: number;
  #rows: Uint32Array | undefined;

  constructor(
    nodes: readonly NodeDefinition[],
    indexOf: ReadonlyMap<string, number>,
    order: readonly number[],
  ) {
    this.#nodes = nodes;
    this.#indexOf = indexOf;
    this.#order = order;
    this.#words = Math.ceil(nodes.length / 32);
  }

  includes(node: number, before: number): boolean {
    this.#rows ??= this.#fill();
    const word = this.#rows[node * this.#words + (before >>> 5)] ?? 0;
    return (word & (1 << (before & 31))) !== 0;
  }

  #fill(): Uint32Array {
    const rows = new Uint32Array(this.#nodes.length * this.#words);
    for (const index of this.#order) {
      const row = index * this.#words;
      for (const id of this.#nodes[index]?.dependencies ?? []) {
        const dependency = this.#indexOf.get(id);
        if (dependency === undefined) continue;
        const from = dependency * this.#words;
        for (let word = 0; word < this.#words; word += 1) {
          rows[row + word] = (rows[row + word] ?? 0) | (rows[from + word] ?? 0);
        }
        const at = row + (dependency >>> 5);
        rows[at] = (rows[at] ?? 0) | (1 << (dependency & 31));
      }
    }
    return rows;
  }
}

function fault(
  path: string,
  reason: FieldFault["reason"],
  message: string,
  metadata: Readonly<Record<string, string>> = {},
): FieldFault {
  return { path, reason, message, metadata };
}

function cycleText(cycle: readonly string[]): string {
  if (cycle.length <= maxCycleNames) return cycle.join(" -> ");
  const half = maxCycleNames / 2;
  const left = cycle.length - maxCycleNames;
  return [...cycle.slice(0, half), `(${left} more)`, ...cycle.slice(-half)].join(" -> ");
}

/** Text of the user's, short enough for a message. */
function shown(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
