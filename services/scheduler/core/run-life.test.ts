/*
 * The life of runs under random definitions, outcomes and orders of reports:
 * what has to hold whatever happens.
 */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decideCancel } from "./decide-command.ts";
import { decideLapse, decideReport, type Report } from "./decide-report.ts";
import type { Definition } from "./definition.ts";
import type { Fact, Outcome, RunEvent } from "./event.ts";
import { begin, evolve } from "./evolve.ts";
import type { Run, Task } from "./run.ts";
import type { Consequences } from "./step.ts";
import { isFinalRun, isFinalTask, leadsTo, type TaskState } from "./task-state.ts";

const at = new Date("2026-01-01T00:00:00Z");
const runId = "00000000-0000-8000-8000-000000000000";

/** A random definition: each node may depend on any before it. */
const definitions = fc.array(fc.array(fc.nat(), { maxLength: 4 }), { minLength: 1, maxLength: 12 }).map(
  (choices): Definition => ({
    name: "random",
    nodes: choices.map((earlier, index) => ({
      id: `n${index}`,
      handler: "noop",
      dependencies: index === 0 ? [] : [...new Set(earlier.map((choice) => `n${choice % index}`))],
      config: {},
    })),
  }),
);

/** A step of the world: some ready task reports, some lease lapses, something old comes again, or somebody cancels. */
const steps = fc.array(
  fc.record({
    choice: fc.nat(),
    move: fc.constantFrom(
      "complete",
      "complete",
      "complete",
      "fail",
      "lease",
      "lapse",
      "repeat",
      "stale",
      "cancel",
    ),
  }),
  { maxLength: 80 },
);

/** Runs a world to its end and checks every step of it. */
function live(definition: Definition, moves: readonly { choice: number; move: string }[]) {
  const history: RunEvent[] = [];
  const readied = new Map<string, number>();
  const sent: Report[] = [];
  let run: Run | undefined;

  const applied = (event: RunEvent): Consequences => {
    if (run !== undefined) return evolve(run, event);
    const begun = begin(runId, event);
    run = begun.run;
    return begun;
  };
  const commit = (facts: readonly Fact[]) => {
    for (const fact of facts) {
      const event: RunEvent = { ...fact, seq: history.length + 1, at };
      const before = new Map<Task, TaskState>((run?.tasks ?? []).map((task) => [task, task.state]));
      const step = applied(event);
      history.push(event);
      for (const [task, state] of before) {
        if (task.state === state) continue;
        const allowed: readonly TaskState[] = leadsTo[state];
        // A lapse leads from one attempt to the next, any other event one step along the table.
        expect(allowed).toContain(task.state);
      }
      for (const { task } of step.ready) {
        const key = `${task.node}/${task.attempt}`;
        readied.set(key, (readied.get(key) ?? 0) + 1);
      }
    }
  };
  commit([{ type: "run_started", clientId: "c", requestId: "r", requestDigest: "d", definition, input: {} }]);
  const idOf = (task: Task) => definition.nodes[task.node]?.id ?? "";
  const report = (task: Task, word: Report["word"], lease = `t${task.node}-${task.attempt}`): Report => ({
    nodeId: idOf(task),
    attempt: task.attempt,
    number: task.report + 1,
    lease: { workerId: "w", incarnation: "i", token: task.lease?.token ?? lease },
    word,
  });
  const send = (message: Report) => {
    const decision = decideReport(run, message);
    if (decision.kind === "applied") commit(decision.facts);
    return decision.kind;
  };
  const ended = (outcome: Outcome): Report["word"] => ({ kind: "ended", outcome, lastSeq: 0, files: [] });
  const current = () => {
    if (run === undefined) throw new Error("the run has begun");
    return run;
  };

  for (const { choice, move } of moves) {
    const open = current().tasks.filter((task) => task.attempt > 0 && !isFinalTask(task.state));
    const task = open[choice % Math.max(open.length, 1)];
    if (move === "cancel") {
      if (choice % 5 === 0) commit(decideCancel(current(), { clientId: "c", requestId: `x${choice}` }));
      continue;
    }
    if (move === "repeat") {
      const again = sent[choice % Math.max(sent.length, 1)];
      if (again !== undefined) expect(send(again)).not.toBe("applied");
      continue;
    }
    if (task === undefined) continue;
    if (move === "stale") {
      const message = { ...report(task, ended({ kind: "completed", output: 1 })), attempt: task.attempt - 1 };
      expect(send(message)).toBe("lost");
    } else if (move === "lapse") {
      commit(
        decideLapse(current(), { nodeId: idOf(task), attempt: task.attempt, token: task.lease?.token ?? "" }),
      );
    } else {
      const outcome: Outcome =
        move === "fail"
          ? { kind: "failed", reason: "R", message: "m" }
          : { kind: "completed", output: { n: task.node } };
      const message = report(task, move === "lease" ? { kind: "started" } : ended(outcome));
      send(message);
      sent.push(message);
    }
  }
  // Whatever is open in the end completes, so that the run can.
  for (;;) {
    const task = current().tasks.find((one) => one.attempt > 0 && !isFinalTask(one.state));
    if (task === undefined) break;
    expect(send(report(task, ended({ kind: "completed", output: null })))).toBe("applied");
  }
  return { run: current(), history, readied };
}

const shown = (run: Run) =>
  JSON.stringify({ ...run, plan: undefined }, (_, value: unknown) =>
    value instanceof Map ? [...value] : value,
  );

describe("a run", () => {
  test("ends whatever happens, and never readies an attempt twice", () => {
    fc.assert(
      fc.property(definitions, steps, (definition, moves) => {
        const { run, readied } = live(definition, moves);
        expect(isFinalRun(run.state)).toBe(true);
        expect(run.unfinished).toBe(0);
        expect([...readied.values()].every((times) => times === 1)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  test("is the fold of its history", () => {
    fc.assert(
      fc.property(definitions, steps, (definition, moves) => {
        const { run, history } = live(definition, moves);
        const [first, ...rest] = history;
        if (first === undefined) throw new Error("history is empty");
        const folded = begin(runId, first).run;
        for (const event of rest) evolve(folded, event);
        expect(shown(folded)).toBe(shown(run));
      }),
      { numRuns: 200 },
    );
  });

  test("ends as its tasks did: failed for a failure, cancelled for a cancel, else completed", () => {
    fc.assert(
      fc.property(definitions, steps, (definition, moves) => {
        const { run } = live(definition, moves);
        const states = new Set(run.tasks.map((task) => task.state));
        const expected = states.has("cancelled")
          ? "cancelled"
          : states.has("failed")
            ? "failed"
            : "completed";
        expect(run.state).toBe(expected);
        for (const task of run.tasks) {
          const { dependencies } = run.plan.nodes[task.node] ?? { dependencies: [] };
          const parents = dependencies.map((index) => run.tasks[index]?.state);
          if (task.state === "completed" || task.state === "failed") {
            expect(parents.every((state) => state === "completed")).toBe(true);
          }
          if (task.state === "skipped") expect(parents.some((state) => state !== "completed")).toBe(true);
        }
      }),
      { numRuns: 200 },
    );
  });
});
