import type pc from "picocolors";
import type { Graph, GraphNode } from "./graph.ts";
import { layersOf } from "./layers.ts";
import { plainText } from "./plain-text.ts";
import { glyphOf } from "./state-glyph.ts";
import { stateWord } from "./state-word.ts";
import { padded } from "./table.ts";

/** So many of what a node waits for are named. */
const mostNamed = 6;

/** A graph as text: a line for each node, numbered by layers, with what it waits for. */
export function graphLines({ name, nodes }: Graph, colors: ReturnType<typeof pc.createColors>): string[] {
  const idWidth = widest(nodes.map(({ id }) => id));
  const handlerWidth = widest(nodes.map(({ handler }) => handler));
  const layers = layersOf(nodes);
  const numberWidth = String(layers.length).length;
  const line = (node: GraphNode, number: string) =>
    [
      ` ${colors.dim(number.padStart(numberWidth))} `,
      node.state === undefined ? "" : `${glyphOf(node.state, colors)} `,
      colors.bold(padded(node.id, idWidth)),
      `  ${padded(plainText(node.handler), handlerWidth)}`,
      node.dependencies.length === 0 ? "" : `  ← ${someOf(node.dependencies)}`,
      node.state === undefined ? "" : `  ${stateWord(node.state).replaceAll("_", " ")}`,
      node.marks.length === 0 ? "" : colors.dim(`  ${plainText(node.marks.join("; "))}`),
    ]
      .join("")
      .trimEnd();
  return [
    `${colors.bold(plainText(name))}  ${nodes.length} nodes in ${layers.length} layers`,
    ...layers.flatMap((layer, index) =>
      layer.map((node, place) => line(node, place === 0 ? String(index + 1) : "")),
    ),
  ];
}

function someOf(ids: readonly string[]): string {
  const more = ids.length > mostNamed ? `, and ${ids.length - mostNamed} more` : "";
  return ids.slice(0, mostNamed).join(", ") + more;
}

function widest(texts: readonly string[]): number {
  return texts.reduce((width, text) => Math.max(width, text.length), 0);
}
