import { TaskState } from "../gen/antiphon/scheduler/v1/task_pb.ts";
import type { Graph, GraphNode } from "./graph.ts";

/** A graph in Graphviz's language. */
export function dotLines({ name, nodes }: Graph): string[] {
  const ids = new Set(nodes.map(({ id }) => id));
  return [
    `digraph ${quoted(name)} {`,
    '  node [shape=box, style="rounded,filled", fillcolor=white, fontname=Helvetica]',
    ...nodes.map((node) => `  ${quoted(node.id)} [label=${label(node)}${fill(node)}]`),
    ...nodes.flatMap(({ id, dependencies }) =>
      dependencies.flatMap((from) => (ids.has(from) ? `  ${quoted(from)} -> ${quoted(id)}` : [])),
    ),
    "}",
  ];
}

function label({ id, handler, marks }: GraphNode): string {
  return quoted([id, handler, ...marks].join("\n"));
}

function fill({ state }: GraphNode): string {
  return state === undefined ? "" : `, fillcolor=${quoted(colors[state] ?? "#eeeeee")}`;
}

function quoted(text: string): string {
  return `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")}"`;
}

const colors: Readonly<Record<number, string>> = {
  [TaskState.STARTING]: "#fff3cd",
  [TaskState.RUNNING]: "#fff3cd",
  [TaskState.WAITING_FOR_INPUT]: "#d6e4ff",
  [TaskState.COMPLETED]: "#d4edda",
  [TaskState.FAILED]: "#f8d7da",
  [TaskState.SKIPPED]: "#f8f8f8",
};
