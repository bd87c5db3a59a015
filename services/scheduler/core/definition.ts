import type { Labels } from "./event.ts";
import type { Json, JsonObject } from "./json.ts";

/** What a run executes, checked and ready to be stored. */
export interface Definition {
  readonly name: string;
  readonly nodes: readonly NodeDefinition[];
  /** The id of the node that is carried out when the run fails. */
  readonly onFailure?: string;
  /** A JSON Schema that the input of each run has to fulfil. */
  readonly inputSchema?: Json;
}

/** One step of a definition. What is undefined has the default that the contract states. */
export interface NodeDefinition {
  readonly id: string;
  readonly handler: string;
  readonly dependencies: readonly string[];
  readonly config: JsonObject;
  readonly retry?: RetryPolicy;
  readonly timeoutMs?: number;
  readonly queueTimeoutMs?: number;
  /** A condition in CEL. */
  readonly when?: string;
  /** Undefined: the run fails. */
  readonly onFailure?: "continue" | "skip_dependents";
  readonly forEach?: ForEach;
  readonly queue?: string;
  readonly labels?: Labels;
  readonly priority?: number;
  readonly replayInput?: boolean;
}

/** When and how often a failed attempt is followed by another. */
export interface RetryPolicy {
  readonly maxAttempts: number;
  readonly initialDelayMs: number;
  readonly multiplier: number;
  readonly maxDelayMs: number;
  /** The part of the delay, from 0 to 1, of which up to all is taken off. */
  readonly jitter: number;
  /** Reasons of failures that are final. */
  readonly nonRetryable: readonly string[];
}

/** One task per item of a list. */
export interface ForEach {
  /** A list, or a text that is one template. */
  readonly items: Json;
  /** Undefined: all at once. */
  readonly maxParallel?: number;
}

/** The text that a definition's version is the digest of; the same for the same content, whatever the order of keys. */
export function canonicalText({ name, nodes, ...policies }: Definition): string {
  return JSON.stringify({
    name,
    nodes: nodes.map(({ id, handler, dependencies, config, ...rest }) => ({
      id,
      handler,
      dependencies,
      config: sorted(config),
      ...(sorted(rest) as object),
    })),
    ...(sorted(policies) as object),
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
