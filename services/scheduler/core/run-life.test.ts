/*
 * The life of runs under random definitions, outcomes, orders of reports and
 * commands: what has to hold whatever happens. What holds after every single
 * event is checked in played-run.ts.
 */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Move, moves, PlayedRun } from "../../../test/support/played-run.ts";
import { definitions, inputs } from "../../../test/support/random-definition.ts";
import { decodeEvent, encodeEvent } from "../event-codec.ts";
import { faultsOf } from "./check-definition.ts";
import type { Definition } from "./definition.ts";
import type { RunEvent } from "./event.ts";
import { begin, evolve } from "./evolve.ts";
import type { Json, JsonObject } from "./json.ts";
import type { Run, Task } from "./run.ts";
import { isMildlySkipped } from "./settle.ts";
import { isFinalRun, isFinalTask } from "./task-state.ts";

const steps: fc.Arbitrary<readonly Move[]> = fc.array(
  fc.record({ kind: fc.constantFrom(...moves), choice: fc.nat({ max: 1_000 }) }),
  { maxLength: 120, size: "max" },
);
const starts = fc.record({ input: inputs, hold: fc.boolean() });

/** Plays a run to its end. */
function played(
  definition: Definition,
  start: { readonly input: JsonObject; readonly hold: boolean },
  all: readonly Move[],
) {
  const life = new PlayedRun(definition, start);
  for (const move of all) life.play(move);
  life.end();
  return life;
}

/** A run as text, to be compared. */
const shown = (run: Run) =>
  JSON.stringify({ ...run, plan: undefined }, (key, value: unknown) => {
    if (value instanceof Set) return [...(value as Set<Task>)].map(({ name }) => name);
    if (key === "items" && value !== undefined) return { ...(value as object), tasks: undefined };
    return value instanceof Map ? [...value] : value;
  });

function foldOf(runId: string, [first, ...rest]: readonly RunEvent[]): Run {
  if (first === undefined) throw new Error("history is empty");
  const { run } = begin(runId, first);
  for (const event of rest) evolve(run, event);
  return run;
}

describe("a run", () => {
  test("ends whatever happens, and nothing of it changes after", () => {
    fc.assert(
      fc.property(definitions, starts, steps, (definition, start, all) => {
        const life = played(definition, start, all);
        expect(isFinalRun(life.run.state)).toBe(true);
        const before = shown(life.run);
        for (const move of all) life.play(move);
        expect(shown(life.run)).toBe(before);
      }),
      { numRuns: 400 },
    );
  });

  test("is the fold of its history, also as it is stored", () => {
    fc.assert(
      fc.property(definitions, starts, steps, (definition, start, all) => {
        const { run, history } = played(definition, start, all);
        expect(shown(foldOf(run.runId, history))).toBe(shown(run));
        const stored = history.map((event) => decodeEvent(encodeEvent(run.runId, event), () => definition));
        expect(shown(foldOf(run.runId, stored))).toBe(shown(run));
      }),
      { numRuns: 200 },
    );
  });

  test("ends as its tasks did, and they as what they depend on lets them", () => {
    fc.assert(
      fc.property(definitions, starts, steps, (definition, start, all) => {
        const { run, history } = played(definition, start, all);
        const isRefused = history.some(({ type }) => type === "run_refused");
        const { nodes, onFailure } = run.plan;
        const counts = nodes.some((node, index) => {
          return run.tasks[index]?.state === "failed" && node.onFailure === "fail_run" && index !== onFailure;
        });
        const isCancelled = run.tasks.some(({ state }) => state === "cancelled");
        expect(run.state).toBe(isCancelled ? "cancelled" : counts || isRefused ? "failed" : "completed");
        if (isRefused) return;
        for (const [index, node] of nodes.entries())
          expectPlausible(run, node.dependencies, run.tasks[index]);
        const last = onFailure === undefined ? undefined : run.tasks[onFailure];
        if (last === undefined || isCancelled) return;
        expect(last.state === "skipped").toBe(!counts);
      }),
      { numRuns: 300 },
    );
  });
});

/** Whether a task may have ended as it did after those that it depends on. */
function expectPlausible(run: Run, dependencies: readonly number[], task: Task | undefined): void {
  const above = dependencies.flatMap((index) => run.tasks[index] ?? []);
  const passed = above.filter(({ state, node }) => {
    return state === "completed" || (state === "failed" && run.plan.nodes[node]?.onFailure === "continue");
  });
  const isFree = above.length === 0 || passed.length > 0;
  const areSettled = above.every((one) => passed.includes(one) || isMildlySkipped(one));
  if (task?.state === "completed" || task?.state === "failed") expect(isFree && areSettled).toBe(true);
  const reason = task?.state === "skipped" ? task.failure?.reason : undefined;
  if (reason === "DEPENDENCY_FAILED") expect(areSettled).toBe(false);
  if (reason === "DEPENDENCIES_SKIPPED") expect(passed).toEqual([]);
  if (reason === "CONDITION_FALSE") expect(isFree && areSettled).toBe(true);
  expect(task !== undefined && isFinalTask(task.state)).toBe(true);
}

describe("validation", () => {
  test("accepts every definition that is made by the rules", () => {
    fc.assert(
      fc.property(definitions, (definition) => {
        expect(faultsOf(definition, () => true)).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  test("refuses a definition that was changed at random, with paths, or it runs to its end", () => {
    let refused = 0;
    let run = 0;
    fc.assert(
      fc.property(definitions, mutations, starts, steps, (definition, mutation, start, all) => {
        const mutant = mutation(definition);
        const faults = faultsOf(mutant, (handler) => handlers.has(handler));
        for (const { path, message } of faults) {
          expect(path).toMatch(/^dag\.(nodes|on_failure)/);
          expect(message).not.toBe("");
        }
        if (faults.length > 0) {
          refused += 1;
          return;
        }
        run += 1;
        expect(isFinalRun(played(mutant, start, all.slice(0, 40)).run.state)).toBe(true);
      }),
      { numRuns: 500 },
    );
    expect(Math.min(refused, run)).toBeGreaterThan(20);
  });
});

const handlers = new Set(["noop", "sleep", "approval", "wait_for_signal", "workflow"]);

/** Pieces of templates and conditions. */
const pieces = "{{ }} n0 n1 item input run nodes .n [0] | 1 default(0) == && ( ) true .status".split(" ");
pieces.push(" ", '"x"', '["a"]', "{{ n0.n }}", "{{ input.list }}");

const texts = fc.array(fc.constantFrom(...pieces), { maxLength: 6 }).map((parts) => parts.join(""));

const values: fc.Arbitrary<Json> = fc.oneof(
  texts,
  fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<Json>,
  fc.constantFrom<Json[]>(0, -1, 1e9, Number.NaN, [], {}),
);

/** Changes of one thing in one node. */
const mutations = fc
  .record({
    node: fc.nat(),
    key: fc.constantFrom(
      ...([
        "id",
        "handler",
        "dependencies",
        "config",
        "when",
        "forEach",
        "timeoutMs",
        "priority",
        "retry",
      ] as const),
      ...(["drop", "onFailure"] as const),
    ),
    text: texts,
    value: values,
  })
  .map(({ node, key, text, value }) => (definition: Definition): Definition => {
    const index = node % definition.nodes.length;
    const nodes = definition.nodes.filter((_, at) => key !== "drop" || at !== index);
    const changed = nodes[index];
    const number = typeof value === "number" ? value : 7;
    if (key === "onFailure") return { ...definition, onFailure: `n${number % 3}` };
    if (key === "drop" || changed === undefined) return { ...definition, nodes };
    const policy = { maxAttempts: number, initialDelayMs: 0, multiplier: 1, maxDelayMs: 0, jitter: 0 };
    const changes = {
      id: { id: text },
      handler: { handler: text === "" ? "sleep" : text },
      dependencies: { dependencies: [...changed.dependencies, `n${Math.abs(number) % 9}`] },
      config: { config: { ...changed.config, x: value, y: text } },
      when: { when: text },
      forEach: { forEach: { items: value } },
      timeoutMs: { timeoutMs: number },
      priority: { priority: number },
      retry: { retry: { ...policy, nonRetryable: [] } },
    };
    return {
      ...definition,
      nodes: nodes.map((one) => (one === changed ? { ...one, ...changes[key] } : one)),
    };
  });
