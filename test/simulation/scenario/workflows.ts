import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import {
  type Dag,
  DagSchema,
  FailurePolicy,
  type NodeSchema,
} from "../../../gen/antiphon/scheduler/v1/workflow_pb.ts";
import type { Script } from "../processes/script.ts";
import type { Random } from "../world/random.ts";

/** A workflow as a client sends it. */
export interface SimulatedWorkflow {
  readonly name: string;
  readonly dag: Dag;
  /** Workflows that its nodes start, to be stored before. */
  readonly children: readonly SimulatedWorkflow[];
  /** Signals that its nodes wait for. */
  readonly signals: readonly string[];
}

type Node = MessageInitShape<typeof NodeSchema>;

/** What nodes of a workflow may be, besides short ones that do nothing special. */
interface Kinds {
  readonly program: number;
  /** Nodes that need no worker: sleeps, approvals, signals, sub-workflows. */
  readonly engine: number;
  /** Retries, time limits, conditions, lists and what follows a failure. */
  readonly policies: number;
  readonly failures: number;
}

/** Draws a chain, a fan, or any graph of a few nodes. */
export function drawnWorkflow(random: Random, name: string, depth = 0): SimulatedWorkflow {
  const shape = random.pick(["chain", "fan", "graph", "graph"] as const);
  const count = shape === "chain" ? random.whole(1, 6) : random.whole(2, depth === 0 ? 10 : 4);
  const isPlain = random.chance(0.4);
  const kinds: Kinds = {
    program: random.pick([0, 0.2, 0.5]),
    engine: isPlain || depth > 1 ? 0 : random.pick([0, 0.2, 0.4]),
    policies: isPlain ? 0 : random.pick([0, 0.3, 0.6]),
    failures: isPlain ? 0.03 : 0.12,
  };
  const nodes: Node[] = [];
  const children: SimulatedWorkflow[] = [];
  const signals: string[] = [];
  for (let index = 0; index < count; index += 1) {
    const earlier = nodes.map(({ id }) => id ?? "");
    const dependencies = dependenciesOf(random, { shape, earlier, isLast: index === count - 1 });
    const id = `n${index}`;
    if (random.chance(kinds.engine)) {
      const engine = random.pick(["sleep", "approval", "wait_for_signal", "workflow"] as const);
      const child = engine === "workflow" ? drawnWorkflow(random, `${name}-${id}`, depth + 1) : undefined;
      if (child !== undefined) children.push(child);
      if (engine === "wait_for_signal") signals.push(`signal-${id}`);
      const config = engineConfig(random, engine, { id, child: child?.name ?? "" });
      nodes.push({ id, handler: engine, dependencies, config: json(config) });
    } else {
      nodes.push(drawnNode(random, kinds, { id, dependencies }));
    }
  }
  const hasFailureNode = random.chance(kinds.policies / 3);
  if (hasFailureNode) nodes.push({ id: "mend", handler: "noop", config: json({}) });
  const dag = create(DagSchema, { nodes, onFailure: hasFailureNode ? "mend" : "" });
  return { name, dag, children, signals };
}

function dependenciesOf(
  random: Random,
  {
    shape,
    earlier,
    isLast,
  }: {
    readonly shape: "chain" | "fan" | "graph";
    readonly earlier: readonly string[];
    readonly isLast: boolean;
  },
): string[] {
  if (earlier.length === 0) return [];
  if (shape === "chain") return earlier.slice(-1);
  if (shape === "fan") return isLast ? earlier.slice(1) : earlier.slice(0, 1);
  return earlier.filter(() => random.chance(0.4));
}

function engineConfig(
  random: Random,
  engine: "sleep" | "approval" | "wait_for_signal" | "workflow",
  { id, child }: { readonly id: string; readonly child: string },
): object {
  switch (engine) {
    case "sleep":
      return { duration: random.between(0, 4) };
    case "approval":
      return { prompt: `go on with ${id}?`, fail_on_reject: random.chance(0.3) };
    case "wait_for_signal":
      return { signal: `signal-${id}` };
    case "workflow":
      return { workflow_name: child };
  }
}

function drawnNode(
  random: Random,
  kinds: Kinds,
  { id, dependencies }: { readonly id: string; readonly dependencies: string[] },
): Node {
  const [first] = dependencies;
  const isProgram = random.chance(kinds.program);
  const script = JSON.stringify(drawnScript(random, { isProgram, failures: kinds.failures }));
  const from = first === undefined || random.chance(0.5) ? {} : { from: `{{ ${first} | default("none") }}` };
  // People take up to 6 s to answer. Not drawn: another draw would be another story for every seed.
  const patience = script.length % 3 === 0 ? { prompt_timeout_ms: 2_000 } : {};
  const config = isProgram
    ? { file_name: "scripted.py", source: "scripted", arguments: [script], ...patience }
    : { script, ...from };
  const handler = isProgram ? "program" : "noop";
  return { id, handler, dependencies, config: json(config), ...drawnPolicies(random, kinds, first) };
}

function drawnPolicies(random: Random, { policies }: Kinds, first: string | undefined): Node {
  const some = <Value>(value: Value): Value | undefined => (random.chance(policies / 2) ? value : undefined);
  const retry = some({
    maxAttempts: random.whole(2, 4),
    initialDelay: durationFromMs(random.whole(0, 1_500)),
    multiplier: 2,
    maxDelay: durationFromMs(5_000),
  });
  const timeout = some(durationFromMs(random.whole(200, 8_000)));
  const queueTimeout = some(durationFromMs(random.whole(500, 20_000)));
  const when = some(first === undefined ? "1 < 2" : `nodes.${first}.status == "completed"`);
  const onFailure = some(random.pick([FailurePolicy.CONTINUE, FailurePolicy.SKIP_DEPENDENTS]));
  const items = Array.from({ length: random.whole(0, 4) }, (_, index) => index);
  const forEach = some({ items: json(items), maxParallel: random.whole(0, 3) });
  return {
    ...(retry && { retry }),
    ...(timeout && { timeout }),
    ...(queueTimeout && { queueTimeout }),
    ...(when && { when }),
    ...(onFailure && { onFailure }),
    ...(forEach && { forEach }),
  };
}

function drawnScript(
  random: Random,
  { isProgram, failures }: { readonly isProgram: boolean; readonly failures: number },
): Script {
  const wait = (): Script["steps"][number] => ({
    kind: "wait",
    ms: random.chance(0.15) ? random.between(3_000, 14_000) : random.between(1, 800),
  });
  const end = random.chance(failures / 2) ? random.pick(["fail", "throw"] as const) : "complete";
  const failsBefore = random.chance(failures) ? random.whole(2, 3) : 0;
  if (!isProgram) return { steps: random.chance(0.4) ? [wait()] : [], end, failsBefore };
  const steps = Array.from({ length: random.whole(0, 5) }, (_, index): Script["steps"][number] => {
    const chance = random.next();
    if (chance < 0.4) return { kind: "write", text: `line ${index}\n` };
    if (chance < 0.65) return { kind: "ask", password: random.chance(0.2) };
    return wait();
  });
  return { steps, end, failsBefore };
}

function json(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}
