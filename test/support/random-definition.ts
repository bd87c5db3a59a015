/* Definitions of workflows at random: every policy, every handler that needs no worker, templates and conditions that may have no value. */
import * as fc from "fast-check";
import type {
  Definition,
  ForEach,
  NodeDefinition,
  RetryPolicy,
} from "../../services/scheduler/core/definition.ts";
import type { JsonObject } from "../../services/scheduler/core/json.ts";

/** How many nodes, the one for failures not counted. */
const maxNodes = 8;

/** What is drawn for one node; what it names becomes one of the nodes before it. */
interface Drawn {
  readonly dependencies: readonly number[];
  readonly kind: "noop" | "program" | "sleep" | "approval" | "wait_for_signal" | "workflow";
  /** Which of the variants of a kind. */
  readonly variant: number;
  readonly when: number;
  readonly items: number;
  readonly maxParallel: number | undefined;
  readonly onFailure: NodeDefinition["onFailure"];
  readonly retry: RetryPolicy | undefined;
  readonly timeoutMs: number | undefined;
  readonly queueTimeoutMs: number | undefined;
  readonly replayInput: boolean;
}

const retries: fc.Arbitrary<RetryPolicy> = fc.record({
  maxAttempts: fc.integer({ min: 1, max: 3 }),
  initialDelayMs: fc.constantFrom(0, 10),
  multiplier: fc.constantFrom(1, 2),
  maxDelayMs: fc.constant(1_000),
  jitter: fc.constantFrom(0, 0.5),
  nonRetryable: fc.constantFrom([], ["FATAL"]),
});

const seldom = <Value>(arbitrary: fc.Arbitrary<Value>) => fc.option(arbitrary, { nil: undefined, freq: 3 });

const drawn: fc.Arbitrary<Drawn> = fc.record({
  dependencies: fc.array(fc.nat(), { maxLength: 3 }),
  kind: fc.constantFrom(
    ...(["noop", "noop", "noop", "program", "sleep", "approval", "wait_for_signal", "workflow"] as const),
  ),
  variant: fc.nat({ max: 5 }),
  when: fc.nat({ max: 15 }),
  items: fc.nat({ max: 9 }),
  maxParallel: seldom(fc.integer({ min: 1, max: 3 })),
  onFailure: fc.constantFrom(undefined, undefined, "continue", "skip_dependents"),
  retry: seldom(retries),
  timeoutMs: seldom(fc.constantFrom(5, 500)),
  queueTimeoutMs: seldom(fc.constantFrom(5, 500)),
  replayInput: fc.boolean(),
});

/** Definitions without a fault. */
export const definitions: fc.Arbitrary<Definition> = fc
  .record({
    nodes: fc.array(drawn, { minLength: 1, maxLength: maxNodes }),
    forFailures: fc.option(drawn, { nil: undefined }),
  })
  .map(({ nodes, forFailures }) => ({
    name: "random",
    nodes: [...nodes.map(nodeOf), ...(forFailures === undefined ? [] : [nodeForFailures(forFailures)])],
    ...(forFailures !== undefined && { onFailure: "H" }),
  }));

/** Inputs of their runs: some of what is named is missing. */
export const inputs: fc.Arbitrary<JsonObject> = fc.record(
  { flag: fc.boolean(), list: fc.array(fc.nat({ max: 3 }), { maxLength: 4 }) },
  { requiredKeys: [] },
);

function nodeOf(node: Drawn, index: number): NodeDefinition {
  const dependencies =
    index === 0 ? [] : [...new Set(node.dependencies.map((choice) => `n${choice % index}`))];
  const [above] = dependencies;
  const forEach = forEachOf(node, above);
  const when = conditionOf(node.when, { above, isEach: forEach !== undefined });
  return {
    id: `n${index}`,
    dependencies,
    ...policiesOf(node, { above, isEach: forEach !== undefined }),
    ...(forEach && { forEach }),
    ...(when !== undefined && { when }),
    ...(node.onFailure && { onFailure: node.onFailure }),
  };
}

function nodeForFailures(node: Drawn): NodeDefinition {
  const forEach = forEachOf(node, undefined);
  return {
    id: "H",
    dependencies: [],
    ...policiesOf(node, { above: "n0", isEach: forEach !== undefined }),
    ...(forEach && { forEach }),
  };
}

interface Around {
  /** A node that it may name. */
  readonly above: string | undefined;
  readonly isEach: boolean;
}

function policiesOf({ kind, variant, retry, timeoutMs, queueTimeoutMs, replayInput }: Drawn, around: Around) {
  return {
    handler: kind,
    config: configOf[kind](variant, around),
    replayInput,
    ...(retry && { retry }),
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(queueTimeoutMs !== undefined && { queueTimeoutMs }),
  };
}

const configOf: Readonly<Record<Drawn["kind"], (variant: number, around: Around) => JsonObject>> = {
  noop(variant, { above, isEach }) {
    if (isEach) return { v: "{{ item }}", i: "{{ run.item_index }}" };
    if (above === undefined)
      return { flag: variant > 3 ? "{{ input.flag }}" : '{{ input.flag | default("?") }}' };
    return variant > 3
      ? { x: `{{ ${above}.n }}` }
      : { x: `{{ ${above}.n | default(0) }}`, s: `{{ nodes.${above} }}` };
  },
  program: (variant) => ({
    file_name: "a.py",
    source: "...",
    ...(variant > 1 && { prompt_timeout_ms: variant * 10 }),
  }),
  sleep: (variant, { above }) => ({
    duration: above === undefined || variant > 2 ? "1s" : `{{ ${above}.n }}`,
  }),
  approval: (variant) => [{}, { fail_on_reject: true }, { choices: ["a", "b"] }][variant % 3] ?? {},
  wait_for_signal: (variant) => ({ signal: `s${variant % 2}` }),
  workflow: (_, { above }) => ({
    workflow_name: "child",
    ...(above !== undefined && { input: `{{ nodes.${above} }}` }),
  }),
};

function forEachOf({ items, maxParallel }: Drawn, above: string | undefined): ForEach | undefined {
  const bound = maxParallel === undefined ? {} : { maxParallel };
  if (items === 6) return { items: [0, 1, 2, "{{ input.flag }}"], ...bound };
  if (items === 7) return { items: "{{ input.list }}", ...bound };
  if (items === 8) return { items: above === undefined ? [] : `{{ ${above}.list }}`, ...bound };
  return items === 9 ? { items: [0, 1, 2, 3], ...bound } : undefined;
}

function conditionOf(when: number, { above, isEach }: Around): string | undefined {
  if (when === 9) return "false";
  if (when === 10) return "input.flag";
  if (when === 11) return isEach ? "item > 1" : "true";
  if (above === undefined) return undefined;
  if (when === 12) return `has(${above}.n) && ${above}.n > 1`;
  if (when === 13) return `${above}.n > 0`;
  return when === 14 ? `nodes.${above}.status == "completed"` : undefined;
}
