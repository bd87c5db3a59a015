import { afterEach, describe, expect, test } from "vitest";
import { DomainError } from "../../lib/errors/domain-error.ts";
import { logger } from "../../lib/log/log.ts";
import { aNode, aStart, at, signalled } from "../../test/support/a-run.ts";
import { until } from "../../test/support/until.ts";
import { ChildRuns, type ChildRunsOptions } from "./child-runs.ts";
import { decideCancel, decidePause, decideResume } from "./core/decide-command.ts";
import type { Definition } from "./core/definition.ts";
import type { Fact } from "./core/event.ts";
import { begin, evolve } from "./core/evolve.ts";
import { planOf } from "./core/plan.ts";
import { type Run, taskOf } from "./core/run.ts";

const parentId = "00000000-0000-8000-8000-000000000000";
const asking = { clientId: "alice", requestId: "r" };

const childDefinition: Definition = {
  name: "child",
  nodes: [aNode("X", [], { handler: "wait_for_signal", config: { signal: "go" } })],
};

/** An owner that commits at once, and tells whoever conducts sub-runs at the moment; nobody when that process is dead. */
class Runs {
  readonly #runs = new Map<string, Run>();
  conductor: ChildRuns | undefined;

  readonly execute: ChildRunsOptions["owner"]["execute"] = async (runId, decide) => {
    const { facts, result } = decide(this.#runs.get(runId), { partition: 0, epoch: 1 });
    for (const fact of facts) this.#commit(runId, fact);
    return result;
  };

  get(runId: string): Run {
    const run = this.#runs.get(runId);
    if (run === undefined) throw new Error(`there is no run ${runId}`);
    return run;
  }

  has(runId: string): boolean {
    return this.#runs.has(runId);
  }

  /** Another process takes over. */
  takeOver(conductor: ChildRuns): void {
    this.conductor = conductor;
    for (const run of this.#runs.values()) if (run.endedAt === undefined) conductor.adopt(run);
  }

  #commit(runId: string, fact: Fact): void {
    const known = this.#runs.get(runId);
    const event = { ...fact, seq: (known?.seq ?? 0) + 1, at };
    const begun = known === undefined ? begin(runId, event) : undefined;
    const run = known ?? begun?.run;
    if (run === undefined) throw new Error("a run has begun");
    const { ready, changed, asked } = begun ?? evolve(run, event);
    this.#runs.set(runId, run);
    this.conductor?.onCommitted([
      { run, events: [event], ready, changed, asked, orders: [], news: undefined },
    ]);
  }
}

const conductors: ChildRuns[] = [];
afterEach(async () => {
  for (const conductor of conductors.splice(0)) await conductor[Symbol.asyncDispose]();
});

function conductorOf(runs: Runs, more: Partial<ChildRunsOptions> = {}): ChildRuns {
  const conductor = new ChildRuns({
    owner: runs,
    workflows: {
      find: async () => ({
        workflowId: "w",
        clientId: "alice",
        version: "v",
        name: "child",
        createdAt: at,
        appliedAt: at,
      }),
    },
    planOf: async () => planOf(childDefinition),
    log: logger("test", "silent"),
    ...more,
  });
  conductors.push(conductor);
  return conductor;
}

/** A run whose one node waits for a run that it started. */
async function parentAndChild() {
  const runs = new Runs();
  runs.conductor = conductorOf(runs);
  const start = aStart([aNode("P", [], { handler: "workflow", config: { workflow_name: "child" } })]);
  await runs.execute(parentId, () => ({ facts: [start], result: undefined }));
  const childId = taskOf(runs.get(parentId), "P")?.childRunId ?? "";
  await until("the child runs", () => runs.has(childId));
  const ask = async (runId: string, decide: typeof decideCancel) => {
    await runs.execute(runId, (run) => ({ facts: decide(run as Run, asking), result: undefined }));
  };
  const childIs = async (state: Run["state"]) => {
    await until(`the child is ${state}`, () => runs.get(childId).state === state);
  };
  return { runs, childId, ask, childIs };
}

describe("ChildRuns", () => {
  test("pauses and resumes a child with its parent, and cancels it with it", async () => {
    const { runs, childId, ask, childIs } = await parentAndChild();
    await ask(parentId, decidePause);
    await childIs("paused");
    await ask(parentId, decideResume);
    await childIs("running");
    await ask(parentId, decideCancel);
    await childIs("cancelled");
    expect(runs.get(childId).isCancelRequested).toBe(true);
  });

  test("resumes a child whose parent was resumed by a process that died of it", async () => {
    const { runs, childId, ask, childIs } = await parentAndChild();
    await ask(parentId, decidePause);
    await childIs("paused");
    runs.conductor = undefined;
    await ask(parentId, decideResume);
    runs.takeOver(conductorOf(runs));
    await childIs("running");
    expect(runs.get(childId).isPausedWithParent).toBe(false);
  });

  test("lets a child rest that was paused by itself, whatever becomes of its parent", async () => {
    const { runs, childId, ask } = await parentAndChild();
    await ask(childId, decidePause);
    await ask(parentId, decidePause);
    await ask(parentId, decideResume);
    const conductor = conductorOf(runs);
    runs.takeOver(conductor);
    await conductor[Symbol.asyncDispose]();
    expect(runs.get(childId).state).toBe("paused");
  });

  test("counts no sub-run against the bound that its owner could not begin", async () => {
    const runs = new Runs();
    // Two of these are more tasks than may be alive below one run.
    const nodes = Array.from({ length: 60_000 }, (_, index) =>
      aNode(`X${index}`, [], { handler: "sleep", config: { duration: "1h" } }),
    );
    const plan = planOf({ name: "child", nodes });
    let isAway = true;
    runs.conductor = conductorOf(runs, {
      planOf: async () => plan,
      owner: {
        execute: async (runId, decide) => {
          if (runId === parentId || !isAway) return await runs.execute(runId, decide);
          isAway = false;
          throw new DomainError("OWNER_UNAVAILABLE", "the owner is away");
        },
      },
    });
    const workflow = { handler: "workflow", config: { workflow_name: "child" } };
    const start = aStart([
      aNode("P", [], workflow),
      aNode("S", [], { handler: "wait_for_signal", config: { signal: "go" } }),
      aNode("Q", ["S"], workflow),
    ]);
    await runs.execute(parentId, () => ({ facts: [start], result: undefined }));
    await until("the first was not begun", () => !isAway);
    await runs.execute(parentId, () => ({ facts: [signalled("go", 1)], result: undefined }));
    const second = taskOf(runs.get(parentId), "Q")?.childRunId ?? "";
    await until("the second runs", () => runs.has(second));
    expect(runs.get(second).tasks).toHaveLength(60_000);
  });
});
