/*
 * Runs for tests of the core: begun, and brought on by facts.
 */
import type { Definition, NodeDefinition } from "../../services/scheduler/core/definition.ts";
import type { Fact, Lease } from "../../services/scheduler/core/event.ts";
import { begin, evolve } from "../../services/scheduler/core/evolve.ts";
import type { Run, Task } from "../../services/scheduler/core/run.ts";

export const at = new Date("2026-01-01T00:00:00Z");

export const aLease = (more: Partial<Lease> = {}): Lease => ({
  workerId: "w1",
  incarnation: "i1",
  token: "t1",
  ...more,
});

export const aNode = (
  id: string,
  dependencies: string[] = [],
  more: Partial<NodeDefinition> = {},
): NodeDefinition => ({
  id,
  handler: "noop",
  dependencies,
  config: {},
  ...more,
});

export const aStart = (
  nodes: NodeDefinition[],
  more: object = {},
): Extract<Fact, { type: "run_started" }> => ({
  type: "run_started",
  clientId: "alice",
  requestId: "r1",
  requestDigest: "d1",
  definition: { name: "test", nodes } satisfies Definition,
  input: {},
  ...more,
});

/** A run of these nodes after these facts. */
export function aRun(nodes: NodeDefinition[], ...facts: Fact[]): Run {
  const { run } = begin("00000000-0000-8000-8000-000000000000", { ...aStart(nodes), seq: 1, at });
  bringOn(run, ...facts);
  return run;
}

/** Brings a run on by facts. */
export function bringOn(run: Run, ...facts: Fact[]): void {
  for (const fact of facts) evolve(run, { ...fact, seq: run.seq + 1, at });
}

/** The task of a node. */
export function taskOfNode(run: Run, nodeId: string): Task {
  const task = run.tasks[run.plan.indexOf.get(nodeId) ?? -1];
  if (task === undefined) throw new Error(`there is no node ${nodeId}`);
  return task;
}

export const leased = (nodeId: string, attempt = 1, lease = aLease()): Fact => ({
  type: "task_leased",
  nodeId,
  attempt,
  lease,
  report: 1,
});

export const asked = (
  nodeId: string,
  promptId: string,
  { attempt = 1, report = 2, password = false } = {},
): Fact => ({
  type: "prompt_opened",
  nodeId,
  attempt,
  report,
  promptId,
  text: "?",
  password,
});

export const completed = (nodeId: string, { attempt = 1, report = 1, output = {} as never } = {}): Fact => ({
  type: "task_ended",
  nodeId,
  attempt,
  report,
  lease: aLease(),
  lastSeq: 0,
  files: [],
  outcome: { kind: "completed", output },
});
