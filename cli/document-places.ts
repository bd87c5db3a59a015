import { isMap, isNode, isScalar, isSeq, LineCounter, type Node } from "yaml";
import { yamlDocument } from "./yaml-text.ts";

/** Places of a larger text are not looked for: it takes a second for each MiB. */
const mostCharacters = 1024 * 1024;

/**
 * Tells where a path (`dag.nodes[2].retry`) stands in a text of JSON or YAML:
 * `line 3, column 5`, that of the nearest part above it which the text has;
 * empty when none is found. JSON is YAML, so one reader finds both.
 */
export function placesIn(text: string): (path: string) => string {
  let read: { readonly root: Node | null; readonly lines: LineCounter } | undefined;
  return (path) => {
    if (text.length > mostCharacters) return "";
    read ??= parsed(text);
    const offset = read.root === null ? undefined : offsetOf(read.root, stepsOf(path));
    if (offset === undefined) return "";
    const { line, col } = read.lines.linePos(offset);
    return `line ${line}, column ${col}`;
  };
}

function parsed(text: string): { readonly root: Node | null; readonly lines: LineCounter } {
  const lines = new LineCounter();
  return { root: yamlDocument(text, lines).contents, lines };
}

/** The names and numbers of a path. */
function stepsOf(path: string): string[] {
  return [...path.matchAll(/[^.[\]"]+/g)].map(([step]) => step);
}

/** Where the last step stands that can be gone. What may be left out of a file (`dag`) may be left out on the way. */
function offsetOf(root: Node, steps: readonly string[]): number | undefined {
  let at = root;
  let offset: number | undefined;
  for (const step of steps) {
    const next = into(at, step);
    if (next === undefined && at === root) continue;
    if (next === undefined) break;
    offset = next.offset;
    if (next.node === undefined) break;
    at = next.node;
  }
  return offset;
}

function into(
  at: Node,
  step: string,
): { readonly offset: number | undefined; readonly node: Node | undefined } | undefined {
  if (isSeq(at)) {
    const item = at.items[Number(step)];
    return isNode(item) ? { offset: item.range?.[0], node: item } : undefined;
  }
  if (!isMap(at)) return undefined;
  const names = [step, step.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase())];
  const pair = at.items.find(({ key }) => isScalar(key) && names.includes(String(key.value)));
  if (pair === undefined || !isNode(pair.key)) return undefined;
  return { offset: pair.key.range?.[0], node: isNode(pair.value) ? pair.value : undefined };
}
