import { TaskState } from "../gen/antiphon/scheduler/v1/task_pb.ts";
import type { Graph, GraphNode } from "./graph.ts";
import { stateWord } from "./state-word.ts";

/** A graph as a mermaid flowchart, for documents. */
export function mermaidLines({ nodes }: Graph): string[] {
  const names = new Map(nodes.map(({ id }, index) => [id, `n${index}`]));
  const states = [...new Set(nodes.flatMap(({ state }) => state ?? []))];
  return [
    "flowchart TB",
    ...nodes.map((node) => `  ${names.get(node.id)}["${label(node)}"]${classOf(node)}`),
    ...nodes.flatMap(({ id, dependencies }) =>
      dependencies.flatMap((from) => (names.has(from) ? `  ${names.get(from)} --> ${names.get(id)}` : [])),
    ),
    ...states.map((state) => `  classDef ${stateWord(state)} ${styles[state] ?? styles[TaskState.PENDING]}`),
  ];
}

function label({ id, handler, marks }: GraphNode): string {
  return [`<b>${quoted(id)}</b>`, quoted(handler), ...marks.map(quoted)].join("<br/>");
}

function classOf({ state }: GraphNode): string {
  return state === undefined ? "" : `:::${stateWord(state)}`;
}

/** Text inside a label: mermaid takes entities, and nothing else keeps it from reading on. */
function quoted(text: string): string {
  return text.replaceAll(/[^\w\s.,:=/-]/gu, (character) => `#${character.codePointAt(0)};`);
}

const styles: Readonly<Record<number, string>> = {
  [TaskState.PENDING]: "fill:#eeeeee,stroke:#999999,color:#333333",
  [TaskState.QUEUED]: "fill:#eeeeee,stroke:#666666,color:#333333",
  [TaskState.STARTING]: "fill:#fff3cd,stroke:#b58900,color:#333333",
  [TaskState.RUNNING]: "fill:#fff3cd,stroke:#b58900,color:#333333",
  [TaskState.WAITING_FOR_INPUT]: "fill:#d6e4ff,stroke:#2f54eb,color:#333333",
  [TaskState.COMPLETED]: "fill:#d4edda,stroke:#28a745,color:#333333",
  [TaskState.FAILED]: "fill:#f8d7da,stroke:#dc3545,color:#333333",
  [TaskState.CANCELLED]: "fill:#eeeeee,stroke:#dc3545,color:#333333",
  [TaskState.SKIPPED]: "fill:#f8f8f8,stroke:#cccccc,color:#999999",
};
