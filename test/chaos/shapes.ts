/*
 * What runs of the load look like, each with the one outcome that it may have
 * whatever dies meanwhile.
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { RunState } from "../../gen/antiphon/scheduler/v1/run_pb.ts";
import { TaskState } from "../../gen/antiphon/scheduler/v1/task_pb.ts";
import type { RetryPolicySchema } from "../../gen/antiphon/scheduler/v1/workflow_pb.ts";

interface Node {
  readonly id: string;
  readonly handler?: string;
  readonly dependencies?: readonly string[];
  readonly config?: unknown;
  readonly retry?: MessageInitShape<typeof RetryPolicySchema>;
  /** The template of a list: the node is carried out for each of its items. */
  readonly items?: string;
}

/** Nodes, and how a run of them ends. */
export interface Shape {
  readonly nodes: readonly Node[];
  readonly state: RunState;
  /** The states of tasks that do not complete. */
  readonly otherwise?: Readonly<Record<string, TaskState>>;
}

const nodesInARow = ["A", "B", "C", "D", "E", "F"];

const printing = `import time
print("begun", flush=True)
time.sleep(1)
print("done", flush=True)
`;

/** All shapes by name. */
export const shapes = {
  chain: {
    nodes: nodesInARow.map((id, index) => ({
      id,
      dependencies: nodesInARow.slice(Math.max(0, index - 1), index),
      config: index === 0 ? { n: 1 } : { n: `{{ ${nodesInARow[index - 1]}.n }}` },
    })),
    state: RunState.COMPLETED,
  },
  fan: {
    nodes: [
      { id: "A" },
      ...["B", "C", "D", "E", "F"].map((id) => ({ id, dependencies: ["A"] })),
      { id: "Z", dependencies: ["B", "C", "D", "E", "F"] },
    ],
    state: RunState.COMPLETED,
  },
  leased: {
    nodes: [
      { id: "A" },
      {
        id: "B",
        handler: "unreliable_handler",
        dependencies: ["A"],
        config: { failure_rate: 0, latency_ms: 600 },
      },
      { id: "C", dependencies: ["B"] },
    ],
    state: RunState.COMPLETED,
  },
  long: {
    nodes: [
      { id: "A", handler: "unreliable_handler", config: { failure_rate: 0, latency_ms: 4_000 } },
      { id: "B", dependencies: ["A"] },
    ],
    state: RunState.COMPLETED,
  },
  failing: {
    nodes: [
      { id: "A" },
      { id: "B", handler: "unreliable_handler", dependencies: ["A"], config: { fail_times: 1_000 } },
      { id: "C", dependencies: ["B"] },
      { id: "D", dependencies: ["A"] },
    ],
    state: RunState.FAILED,
    otherwise: { B: TaskState.FAILED, C: TaskState.SKIPPED },
  },
  retried: {
    nodes: [
      {
        id: "A",
        handler: "unreliable_handler",
        config: { fail_times: 1 },
        retry: { maxAttempts: 9, initialDelay: durationFromMs(500) },
      },
      { id: "B", dependencies: ["A"] },
    ],
    state: RunState.COMPLETED,
  },
  sleeping: {
    nodes: [
      { id: "A" },
      { id: "B", handler: "sleep", dependencies: ["A"], config: { duration: "2s" } },
      { id: "C", dependencies: ["B"] },
    ],
    state: RunState.COMPLETED,
  },
  mapped: {
    nodes: [
      { id: "A", config: { list: [1, 2, 3, 4] } },
      { id: "B", dependencies: ["A"], items: "{{ A.list }}", config: { n: "{{ item }}" } },
      { id: "C", dependencies: ["B"], config: { all: "{{ B }}" } },
    ],
    state: RunState.COMPLETED,
  },
  nested: {
    nodes: [
      { id: "A" },
      { id: "B", handler: "workflow", dependencies: ["A"], config: { workflow_name: "sleeping" } },
      { id: "C", dependencies: ["B"] },
    ],
    state: RunState.COMPLETED,
  },
  program: {
    nodes: [{ id: "A", handler: "program", config: { file_name: "a.py", source: printing } }],
    state: RunState.COMPLETED,
  },
} satisfies Record<string, Shape>;

/** The name of a shape. */
export type ShapeName = keyof typeof shapes;

/** The nodes of a shape as the contract has them. */
export function nodesOf({ nodes }: Shape) {
  const bytes = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
  return nodes.map(({ id, handler = "noop", dependencies = [], config = {}, retry, items }) => ({
    id,
    handler,
    dependencies: [...dependencies],
    config: bytes(config),
    ...(retry !== undefined && { retry }),
    ...(items !== undefined && { forEach: { items: bytes(items) } }),
  }));
}
