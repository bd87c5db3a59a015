import { expect, test } from "vitest";
import { aNode } from "../../../test/support/a-run.ts";
import { policyFaults } from "./check-policies.ts";
import type { NodeDefinition, RetryPolicy } from "./definition.ts";
import type { Json } from "./json.ts";

const day = 24 * 60 * 60 * 1_000;
const pathsOf = (more: Partial<NodeDefinition>) =>
  policyFaults(aNode("A", [], more), "n").map(({ path }) => path);

const retry = (more: Partial<RetryPolicy>): Partial<NodeDefinition> => ({
  retry: {
    maxAttempts: 3,
    initialDelayMs: 0,
    multiplier: 1,
    maxDelayMs: 0,
    jitter: 0,
    nonRetryable: [],
    ...more,
  },
});
const items = (value: Json, maxParallel?: number): Partial<NodeDefinition> => ({
  forEach: { items: value, ...(maxParallel !== undefined && { maxParallel }) },
});
const labels = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, "v"]));

/** Each bound: what is within it at both ends, and what is just beyond. */
const bounds: readonly [
  path: string,
  within: Partial<NodeDefinition>[],
  beyond: Partial<NodeDefinition>[],
][] = [
  [
    "n.retry.max_attempts",
    [retry({ maxAttempts: 1 }), retry({ maxAttempts: 1_000 })],
    [retry({ maxAttempts: 0 }), retry({ maxAttempts: 1_001 })],
  ],
  [
    "n.retry.initial_delay",
    [retry({ initialDelayMs: 7 * day })],
    [retry({ initialDelayMs: 7 * day + 1 }), retry({ initialDelayMs: -1 })],
  ],
  ["n.retry.max_delay", [retry({ maxDelayMs: 7 * day })], [retry({ maxDelayMs: 7 * day + 1 })]],
  [
    "n.retry.multiplier",
    [retry({ multiplier: 100 })],
    [retry({ multiplier: 0.9 }), retry({ multiplier: 101 }), retry({ multiplier: Number.NaN })],
  ],
  [
    "n.retry.jitter",
    [retry({ jitter: 1 })],
    [retry({ jitter: 1.1 }), retry({ jitter: -0.1 }), retry({ jitter: Number.NaN })],
  ],
  [
    "n.retry.non_retryable",
    [retry({ nonRetryable: Array.from({ length: 100 }, () => "x".repeat(100)) })],
    [
      retry({ nonRetryable: Array.from({ length: 101 }, () => "") }),
      retry({ nonRetryable: ["x".repeat(101)] }),
    ],
  ],
  [
    "n.timeout",
    [{ timeoutMs: 1 }, { timeoutMs: 365 * day }],
    [{ timeoutMs: 0 }, { timeoutMs: 365 * day + 1 }],
  ],
  ["n.queue_timeout", [{ queueTimeoutMs: 1 }], [{ queueTimeoutMs: 0.5 }]],
  ["n.when", [{ when: "x".repeat(4_096) }], [{ when: "x".repeat(4_097) }]],
  [
    "n.for_each.items",
    [items([]), items(Array.from({ length: 10_000 }, () => 0)), items("{{ input.x }}"), items("{{ unclosed")],
    [
      items(Array.from({ length: 10_001 }, () => 0)),
      items("a,b"),
      items({}),
      items(null),
      items("{{ input.a }}{{ input.b }}"),
      items(" {{ input.a }} "),
    ],
  ],
  [
    "n.for_each.max_parallel",
    [items([], 1), items([], 10_000)],
    [items([], 0), items([], -1), items([], 10_001)],
  ],
  [
    "n.queue",
    [{ queue: "gpu-1_A" }, { queue: "q".repeat(63) }],
    [{ queue: "" }, { queue: "-x" }, { queue: "q".repeat(64) }],
  ],
  [
    "n.labels",
    [{ labels: labels(4) }],
    [{ labels: labels(5) }, { labels: { "a b": "v" } }, { labels: { a: "" } }],
  ],
  ["n.priority", [{ priority: -100 }, { priority: 100 }], [{ priority: -101 }, { priority: 101 }]],
  [
    "n.config.duration",
    [
      { handler: "sleep", config: { duration: "1s" } },
      { handler: "sleep", config: { duration: "{{ input.x }}" } },
      { handler: "noop", config: { duration: "long" } },
    ],
    [{ handler: "sleep", config: { duration: "long" } }],
  ],
];

test.each(bounds)("%s has both of its ends", (path, within, beyond) => {
  expect(within.map(pathsOf)).toEqual(within.map(() => []));
  expect(beyond.map(pathsOf)).toEqual(beyond.map(() => [path]));
});

test("lists all that is wrong with a node at once", () => {
  expect(pathsOf({ ...retry({ jitter: 2, multiplier: 0 }), timeoutMs: 0, priority: 1_000 })).toEqual([
    "n.retry.multiplier",
    "n.retry.jitter",
    "n.timeout",
    "n.priority",
  ]);
});
