/*
 * Runs for tests of the core: begun, and brought on by facts.
 */
import type { Definition, NodeDefinition } from "../../services/scheduler/core/definition.ts";
import type { Fact, FailedAttempt, Lease, Outcome, TimerKind } from "../../services/scheduler/core/event.ts";
import { begin, evolve } from "../../services/scheduler/core/evolve.ts";
import type { Json } from "../../services/scheduler/core/json.ts";
import { type Run, type Task, taskOf } from "../../services/scheduler/core/run.ts";

/** When runs begin. */
export const at = new Date("2026-01-01T00:00:00Z");

/** So many milliseconds after runs began. */
export const later = (ms: number): Date => new Date(at.getTime() + ms);

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
  { onFailure, ...more }: Partial<Extract<Fact, { type: "run_started" }>> & { onFailure?: string } = {},
): Extract<Fact, { type: "run_started" }> => ({
  type: "run_started",
  clientId: "alice",
  requestId: "r1",
  requestDigest: "d1",
  definition: { name: "test", nodes, ...(onFailure !== undefined && { onFailure }) } satisfies Definition,
  input: {},
  ...more,
});

/** A run of these nodes after these facts. */
export function aRun(nodes: NodeDefinition[], ...facts: Fact[]): Run {
  return begun(aStart(nodes), ...facts);
}

/** A run that this fact begins, after these. */
export function begun(start: Fact, ...facts: Fact[]): Run {
  const { run } = begin("00000000-0000-8000-8000-000000000000", { ...start, seq: 1, at });
  bringOn(run, ...facts);
  return run;
}

/** Brings a run on by facts; answers which attempts that made ready for workers, as `A#1`. */
export function bringOn(run: Run, ...facts: Fact[]): string[] {
  return bringOnAt(run, 0, ...facts);
}

/** As `bringOn`, so many milliseconds after the run began. */
export function bringOnAt(run: Run, ms: number, ...facts: Fact[]): string[] {
  return facts.flatMap((fact) => {
    const { ready } = evolve(run, { ...fact, seq: run.seq + 1, at: later(ms) });
    return ready.map(({ task }) => `${task.name}#${task.attempt}`);
  });
}

/** The task of a node, or of an item, `A.0`. */
export function taskOfNode(run: Run, name: string): Task {
  const task = taskOf(run, name);
  if (task === undefined) throw new Error(`there is no task ${name}`);
  return task;
}

/** The states of all tasks, by name. */
export function statesOf(run: Run): Record<string, string> {
  return Object.fromEntries(run.tasks.map(({ name, state }) => [name, state]));
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

/** A report that ends an attempt; the first one unless said otherwise. */
export const ended = (nodeId: string, outcome: Outcome, { attempt = 1, report = 1 } = {}): Fact => ({
  type: "task_ended",
  nodeId,
  attempt,
  report,
  lease: aLease(),
  lastSeq: 0,
  files: [],
  outcome,
});

export const completed = (
  nodeId: string,
  { attempt = 1, report = 1, output = {} }: { attempt?: number; report?: number; output?: Json } = {},
): Fact => ended(nodeId, { kind: "completed", output }, { attempt, report });

export const failed = (
  nodeId: string,
  { attempt = 1, report = 1, ...more }: { attempt?: number; report?: number } & Partial<FailedAttempt> = {},
): Fact =>
  ended(nodeId, { kind: "failed", reason: "BROKEN", message: "no luck", ...more }, { attempt, report });

export const lapsed = (nodeId: string, attempt = 1): Fact => ({
  type: "lease_lapsed",
  nodeId,
  attempt,
  workerId: "w1",
});

export const fired = (nodeId: string, timer: TimerKind, attempt = 1): Fact => ({
  type: "timer_fired",
  nodeId,
  attempt,
  timer,
});

export const answered = (nodeId: string, promptId: string, answer: string, attempt = 1): Fact => ({
  type: "prompt_answered",
  nodeId,
  attempt,
  promptId,
  answeredBy: "bob",
  requestId: "a1",
  answer,
});

export const childEnded = (nodeId: string, outcome: Outcome, attempt = 1): Fact => ({
  type: "child_ended",
  nodeId,
  attempt,
  childRunId: "child",
  outcome,
});

export const signalled = (name: string, payload: Json = null, requestId = "s1"): Fact => ({
  type: "signal_received",
  name,
  payload,
  clientId: "bob",
  requestId,
  requestDigest: requestId,
});

const asking = { clientId: "alice", requestId: "q" };
export const cancel: Fact = { type: "cancel_requested", ...asking };
export const pause: Fact = { type: "pause_requested", ...asking };
export const resume: Fact = { type: "resume_requested", ...asking };
