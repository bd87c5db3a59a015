import type { JsonObject } from "./json.ts";

/** What a run executes, checked and ready to be stored. */
export interface Definition {
  readonly name: string;
  readonly nodes: readonly NodeDefinition[];
}

/** One step of a definition. */
export interface NodeDefinition {
  readonly id: string;
  readonly handler: string;
  readonly dependencies: readonly string[];
  readonly config: JsonObject;
}

/** The text that a definition's version is the digest of; the same for the same content, whatever the order of keys in configs. */
export function canonicalText(definition: Definition): string {
  return JSON.stringify({
    name: definition.name,
    nodes: definition.nodes.map(({ id, handler, dependencies, config }) => ({
      id,
      handler,
      dependencies,
      config: sorted(config),
    })),
  });
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, child]) => [key, sorted(child)]),
  );
}
