import type { Script } from "../processes/script.ts";
import type { Random } from "../world/random.ts";

/** A workflow as a client sends it. */
export interface SimulatedWorkflow {
  readonly name: string;
  readonly nodes: readonly SimulatedNode[];
}

export interface SimulatedNode {
  readonly id: string;
  readonly handler: "noop" | "program";
  readonly dependencies: readonly string[];
  readonly config: Readonly<Record<string, unknown>>;
}

/** Draws a chain, a fan, or any graph of a few nodes. */
export function drawnWorkflow(random: Random, name: string): SimulatedWorkflow {
  const shape = random.pick(["chain", "fan", "graph", "graph"] as const);
  const count = shape === "chain" ? random.whole(1, 6) : random.whole(2, 10);
  const programShare = random.pick([0, 0.2, 0.5]);
  const nodes: SimulatedNode[] = [];
  for (let index = 0; index < count; index += 1) {
    const earlier = nodes.map(({ id }) => id);
    const dependencies = dependenciesOf(random, { shape, earlier, isLast: index === count - 1 });
    nodes.push(drawnNode(random, { id: `n${index}`, dependencies, isProgram: random.chance(programShare) }));
  }
  return { name, nodes };
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

function drawnNode(
  random: Random,
  {
    id,
    dependencies,
    isProgram,
  }: { readonly id: string; readonly dependencies: string[]; readonly isProgram: boolean },
): SimulatedNode {
  const [first] = dependencies;
  const script = JSON.stringify(drawnScript(random, isProgram));
  if (isProgram) {
    const config = { file_name: "scripted.py", source: "scripted", arguments: [script] };
    return { id, handler: "program", dependencies, config };
  }
  const from = first === undefined || random.chance(0.5) ? {} : { from: `{{ ${first} }}` };
  return { id, handler: "noop", dependencies, config: { script, ...from } };
}

function drawnScript(random: Random, isProgram: boolean): Script {
  const wait = (): Script["steps"][number] => ({
    kind: "wait",
    ms: random.chance(0.15) ? random.between(3_000, 14_000) : random.between(1, 800),
  });
  const end = random.chance(0.06) ? random.pick(["fail", "throw"] as const) : "complete";
  if (!isProgram) return { steps: random.chance(0.4) ? [wait()] : [], end, failsBefore: 0 };
  const steps = Array.from({ length: random.whole(0, 5) }, (_, index): Script["steps"][number] => {
    const chance = random.next();
    if (chance < 0.4) return { kind: "write", text: `line ${index}\n` };
    if (chance < 0.65) return { kind: "ask", password: random.chance(0.2) };
    return wait();
  });
  return { steps, end, failsBefore: 0 };
}
