/*
 * YAML that somebody else wrote, taken as the JSON that it stands for.
 *
 *   Y1. Nothing but plain data comes out: tags are refused, known ones too.
 *   Y2. What is written is what is meant: a key stands once and is a scalar, and
 *       `<<` is a key like any other.
 *   Y3. An alias stands for a bounded amount: one anchor is used at most
 *       `mostUses` times, those inside of it counted.
 */
import type { JsonValue } from "@bufbuild/protobuf";
import { type Document, isMap, isScalar, LineCounter, parseDocument, visit } from "yaml";

const mostUses = 100;

/** What became of a text. */
export type ParsedYaml =
  | { readonly kind: "value"; readonly value: JsonValue }
  | {
      readonly kind: "refused";
      /** With line and column where there are such. */
      readonly why: string;
    };

/** Reads one document of YAML 1.2. */
export function parseYaml(text: string): ParsedYaml {
  const lines = new LineCounter();
  const document = yamlDocument(text, lines);
  const [problem] = [...document.errors, ...document.warnings];
  if (problem !== undefined) return { kind: "refused", why: firstLine(problem.message) };
  const offset = offsetOfOddKey(document);
  if (offset !== undefined) {
    const { line, col } = lines.linePos(offset);
    return { kind: "refused", why: `a key must be a text or a number at line ${line}, column ${col}` };
  }
  try {
    return { kind: "value", value: document.toJS({ maxAliasCount: mostUses }) as JsonValue };
  } catch (error) {
    return { kind: "refused", why: (error as Error).message };
  }
}

/** The document with its places; it may have errors. */
export function yamlDocument(text: string, lines: LineCounter): Document.Parsed {
  return parseDocument(text, {
    lineCounter: lines,
    version: "1.2",
    schema: "core",
    merge: false,
    uniqueKeys: true,
    resolveKnownTags: false,
    prettyErrors: true,
    logLevel: "error",
  });
}

function offsetOfOddKey(document: Document.Parsed): number | undefined {
  let found: number | undefined;
  visit(document, {
    Map(_key, map) {
      if (!isMap(map)) return undefined;
      const odd = map.items.find(({ key }) => !isScalar(key) || key.value === null);
      if (odd === undefined) return undefined;
      found = map.range?.[0] ?? 0;
      return visit.BREAK;
    },
  });
  return found;
}

function firstLine(text: string): string {
  return (text.split("\n", 1)[0] ?? "").replace(/:$/, "");
}
