/*
 * Counts what folding a history executes in the core: `node count-fold-steps.ts`
 * prints, for each kind of history and each size, how often all blocks of code
 * were entered. A process of its own, because counting is the whole engine's.
 */
import { Session } from "node:inspector";
import type { Definition, NodeDefinition } from "../../services/scheduler/core/definition.ts";
import type { Fact } from "../../services/scheduler/core/event.ts";
import { begin, evolve } from "../../services/scheduler/core/evolve.ts";
import { type Plan, planOf } from "../../services/scheduler/core/plan.ts";
import {
  aNode,
  answered,
  asked,
  at,
  cancel,
  completed,
  failed,
  leased,
  pause,
  resume,
  signalled,
} from "./a-run.ts";

/** The smaller size; the larger is twice that. */
const size = 2_000;

interface Life {
  readonly nodes: readonly NodeDefinition[];
  readonly onFailure?: string;
  readonly facts: readonly Fact[];
}

const range = (count: number) => Array.from({ length: count }, (_, index) => index);
const ids = (count: number) => range(count).map((index) => `n${index}`);
const chain = (count: number) =>
  ids(count).map((id, index) => aNode(id, index === 0 ? [] : [`n${index - 1}`]));
const all = (count: number) => ids(count).map((id) => completed(id));
const waiting = { handler: "wait_for_signal" };

/** Histories of which each makes another rule do the most. */
const lives: Readonly<Record<string, (count: number) => Life>> = {
  "a chain": (count) => ({ nodes: chain(count), facts: all(count) }),
  "a fan": (count) => ({
    nodes: [...ids(count).map((id) => aNode(id)), aNode("last", ids(count))],
    facts: [...all(count), completed("last")],
  }),
  "a fan that is not taken": (count) => ({
    nodes: [
      aNode("first"),
      ...ids(count).map((id) => aNode(id, ["first"], { when: "false" })),
      aNode("last", ids(count)),
    ],
    facts: [completed("first")],
  }),
  "a chain that is skipped for a failure, with a node for failures": (count) => ({
    nodes: [...chain(count), aNode("H")],
    onFailure: "H",
    facts: [failed("n0"), completed("H")],
  }),
  "nodes of which each fails": (count) => ({
    nodes: [...ids(count).map((id) => aNode(id)), aNode("H")],
    onFailure: "H",
    facts: [...ids(count).map((id) => failed(id)), completed("H")],
  }),
  "items, one at a time": (count) => ({
    nodes: [aNode("A", [], { forEach: { items: range(count), maxParallel: 1 } })],
    facts: range(count).map((index) => completed(`A.${index}`)),
  }),
  "items of which the first fails": (count) => ({
    nodes: [aNode("A", [], { forEach: { items: range(count), maxParallel: 1 } })],
    facts: [failed("A.0")],
  }),
  "items that all fail and are borne": (count) => ({
    nodes: [aNode("A", [], { forEach: { items: range(count) }, onFailure: "continue" })],
    facts: range(count).map((index) => failed(`A.${index}`)),
  }),
  "tasks that wait for signals": (count) => ({
    nodes: ids(count).map((id) => aNode(id, [], { ...waiting, config: { signal: id } })),
    facts: ids(count).map((id) => signalled(id, null, id)),
  }),
  "tasks that wait for one signal": (count) => ({
    nodes: ids(count).map((id) => aNode(id, [], { ...waiting, config: { signal: "s" } })),
    facts: ids(count).map((id) => signalled("s", null, id)),
  }),
  "questions of one task": (count) => ({
    nodes: [aNode("A")],
    facts: [
      leased("A"),
      ...ids(count).flatMap((id) => [asked("A", id), answered("A", id, "x")]),
      completed("A"),
    ],
  }),
  "a fan that is paused, resumed and cancelled": (count) => ({
    nodes: ids(count).map((id) => aNode(id)),
    facts: [pause, resume, cancel],
  }),
};

const session = new Session();
session.connect();
session.post("Profiler.enable");
session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });

const counts = Object.entries(lives).map(([name, lifeOf]) => {
  return { name, steps: [size, 2 * size].map((count) => stepsOf(lifeOf(count))) };
});
process.stdout.write(JSON.stringify(counts));

function stepsOf({ nodes, facts, onFailure }: Life): number {
  const definition: Definition = { name: "long", nodes, ...(onFailure !== undefined && { onFailure }) };
  const plan: Plan = planOf(definition);
  const start = { clientId: "c", requestId: "r", requestDigest: "d", definition, input: {} };
  countedBlocks();
  const { run } = begin("long", { type: "run_started", ...start, seq: 1, at }, plan);
  for (const fact of facts) evolve(run, { ...fact, seq: run.seq + 1, at });
  const blocks = countedBlocks();
  if (run.endedAt === undefined) throw new Error("the history does not end the run");
  return blocks;
}

/** How often blocks of the core were entered since the last time. */
function countedBlocks(): number {
  let sum = 0;
  session.post("Profiler.takePreciseCoverage", (_, { result }) => {
    const ranges = result
      .filter(({ url }) => url.includes("/services/scheduler/core/"))
      .flatMap(({ functions }) => functions.flatMap((one) => one.ranges));
    sum = ranges.reduce((total, { count }) => total + count, 0);
  });
  return sum;
}
