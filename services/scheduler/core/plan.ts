import { type Condition, compileCondition } from "./condition.ts";
import type { Definition, NodeDefinition, RetryPolicy } from "./definition.ts";
import { type EngineHandler, isEngineHandler } from "./engine-handler.ts";
import type { Labels } from "./event.ts";
import { compileInputSchema, type InputSchema } from "./input-schema.ts";
import { type Compiled, compile, type Reference, type TemplateFault } from "./template.ts";

/** A definition prepared for running: nodes by index, shared by all runs of it. Needs no cycle check to be made. */
export interface Plan {
  readonly definition: Definition;
  readonly nodes: readonly PlannedNode[];
  readonly indexOf: ReadonlyMap<string, number>;
  /** The index of the node that is carried out when the run fails. */
  readonly onFailure: number | undefined;
  /** Checks the input of a run; undefined when any will do. */
  readonly inputSchema: InputSchema | undefined;
}

/** One node of a plan. */
export interface PlannedNode {
  readonly index: number;
  readonly id: string;
  readonly handler: string;
  /** The handler, when it needs no worker. */
  readonly engine: EngineHandler | undefined;
  readonly dependencies: readonly number[];
  /** Nodes that wait for this one. */
  readonly dependents: readonly number[];
  readonly config: Compiled;
  readonly when: Condition | undefined;
  /** Whether the condition names the item, and so is asked for each. */
  readonly isAskedPerItem: boolean;
  readonly forEach: { readonly items: Compiled; readonly maxParallel: number } | undefined;
  readonly onFailure: "fail_run" | "continue" | "skip_dependents";
  readonly retry: RetryPolicy | undefined;
  readonly timeoutMs: number | undefined;
  readonly queueTimeoutMs: number | undefined;
  /** How long each question of its program waits for an answer; undefined: for ever. */
  readonly promptTimeoutMs: number | undefined;
  readonly queue: string;
  readonly labels: Labels;
  readonly priority: number;
  readonly replayInput: boolean;
}

/** Config keys that hold code, or words of the user's own, and are never templated, by handler. */
const codeKeys: ReadonlyMap<string, readonly string[]> = new Map([["program", ["source", "message"]]]);

/** Prepares a definition whose dependencies all exist. */
export function planOf(definition: Definition): Plan {
  const indexOf = new Map(definition.nodes.map((node, index) => [node.id, index]));
  const dependents: number[][] = definition.nodes.map(() => []);
  const nodes = definition.nodes.map((node, index): PlannedNode => {
    const dependencies = [...new Set(node.dependencies)].flatMap((id) => indexOf.get(id) ?? []);
    for (const dependency of dependencies) dependents[dependency]?.push(index);
    const { config, when, items, isAskedPerItem } = compileNode(node);
    const { forEach } = node;
    return {
      index,
      id: node.id,
      handler: node.handler,
      engine: isEngineHandler(node.handler) ? node.handler : undefined,
      dependencies,
      dependents: dependents[index] ?? [],
      config,
      when,
      isAskedPerItem,
      forEach: forEach && items && { items, maxParallel: forEach.maxParallel ?? Number.POSITIVE_INFINITY },
      onFailure: node.onFailure ?? "fail_run",
      retry: node.retry,
      timeoutMs: node.timeoutMs,
      queueTimeoutMs: node.queueTimeoutMs,
      promptTimeoutMs: promptTimeoutOf(node),
      queue: node.queue ?? "",
      labels: node.labels ?? {},
      priority: node.priority ?? 0,
      replayInput: node.replayInput ?? false,
    };
  });
  const onFailure = definition.onFailure === undefined ? undefined : indexOf.get(definition.onFailure);
  return { definition, nodes, indexOf, onFailure, inputSchema: inputSchemaOf(definition) };
}

/** Checked where the definition came from to be a number. */
function promptTimeoutOf({ handler, config }: NodeDefinition): number | undefined {
  const { prompt_timeout_ms: ms } = config;
  return handler === "program" && typeof ms === "number" ? ms : undefined;
}

function inputSchemaOf({ name, inputSchema }: Definition): InputSchema | undefined {
  if (inputSchema === undefined) return undefined;
  const compiled = compileInputSchema(inputSchema);
  if ("faults" in compiled) throw new Error(`workflow ${name} has a schema that does not compile`);
  return compiled;
}

/** A node's templates and condition taken apart. */
export interface CompiledNode {
  readonly config: Compiled;
  readonly when: Condition | undefined;
  readonly items: Compiled | undefined;
  readonly isAskedPerItem: boolean;
  /** What they name; `at` is a path within the node: `.config.url`, `.when`. */
  readonly references: readonly Reference[];
  readonly faults: readonly TemplateFault[];
}

/** Takes the templates and the condition of a node apart, and lists what they name and what is wrong with them. */
export function compileNode(node: NodeDefinition): CompiledNode {
  const found = { references: [] as Reference[], faults: [] as TemplateFault[] };
  const code = codeKeys.get(node.handler) ?? [];
  const entries = Object.entries(node.config).map(([key, value]) => {
    const compiled: Compiled = code.includes(key)
      ? { kind: "constant", value }
      : compile(value, found, `.config.${key}`);
    return [key, compiled] as const;
  });
  const config: Compiled = entries.every(([, value]) => value.kind === "constant")
    ? { kind: "constant", value: node.config }
    : { kind: "object", entries };
  const items = node.forEach && compile(node.forEach.items, found, ".for_each.items");
  let when: Condition | undefined;
  let isAskedPerItem = false;
  if (node.when !== undefined) {
    const compiled = compileCondition(node.when);
    if ("fault" in compiled) {
      found.faults.push({ at: ".when", template: node.when, message: compiled.fault });
    } else {
      when = compiled.condition;
      for (const { root, node: named } of compiled.references) {
        found.references.push({ at: ".when", template: node.when, root, node: named });
        if (root === "item") isAskedPerItem = true;
      }
    }
  }
  return { config, when, items, isAskedPerItem, ...found };
}
