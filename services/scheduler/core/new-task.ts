import type { Task } from "./run.ts";

/** A task that nothing has happened to. */
export function newTask({
  name,
  node,
  waitsFor,
  item,
}: Pick<Task, "name" | "node" | "waitsFor" | "item">): Task {
  return {
    name,
    node,
    item,
    state: "pending",
    attempt: 0,
    waitsFor,
    passed: 0,
    isHeld: false,
    timer: undefined,
    lease: undefined,
    report: 0,
    isRevoked: false,
    lostCount: 0,
    failedCount: 0,
    lastFailure: undefined,
    output: undefined,
    failure: undefined,
    prompts: [],
    openPrompts: 0,
    files: [],
    lastSeqs: new Map(),
    endedBy: new Map(),
    items: undefined,
    awaitedSignal: undefined,
    childRunId: undefined,
    queuedAt: undefined,
    startedAt: undefined,
    endedAt: undefined,
  };
}
