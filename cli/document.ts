import { extname } from "node:path";
import { text } from "node:stream/consumers";
import type { JsonValue } from "@bufbuild/protobuf";
import { CommandFailure } from "./command-failure.ts";
import { placesIn } from "./document-places.ts";
import { exitCode } from "./exit-code.ts";
import { fileContent } from "./file-content.ts";
import { parseYaml } from "./yaml-text.ts";

/** What a JSON or YAML file holds. */
export interface SourceDocument {
  readonly value: JsonValue;
  /** Where a path such as `dag.nodes[2].retry` stands, or the nearest above it that the file has: `line 3, column 5`; empty when that can not be told. */
  readonly placeOf: (path: string) => string;
}

/** A larger file would not fit a message of the contract. */
const mostBytes = 8 * 1024 * 1024;

/** Deeper than this nothing means anything, and whatever goes through it would run out of stack. */
const mostLevels = 200;

/**
 * Reads a file of JSON or YAML, by its ending; `-` is standard input, where
 * what begins as JSON is JSON. Throws CommandFailure, with line and column, when
 * it is neither.
 */
export async function readDocument(file: string): Promise<SourceDocument> {
  const content = file === "-" ? await text(process.stdin) : (await fileContent(file)).toString();
  const name = file === "-" ? "standard input" : file;
  if (Buffer.byteLength(content) > mostBytes) throw unreadable(`${name}: it is larger than 8 MiB`);
  const isYaml = file === "-" ? !/^\s*[[{]/.test(content) : [".yaml", ".yml"].includes(extname(file));
  const value = isYaml ? parsedYaml(name, content) : parsedJson(name, content);
  const fault = faultOf(value, { levels: mostLevels, budget: { left: mostBytes } });
  if (fault !== undefined) throw unreadable(`${name}: ${fault}`);
  return { value, placeOf: placesIn(content) };
}

function parsedJson(name: string, content: string): JsonValue {
  try {
    return JSON.parse(content) as JsonValue;
  } catch (error) {
    throw unreadable(`${name}: it is not JSON: ${(error as Error).message}`);
  }
}

function parsedYaml(name: string, content: string): JsonValue {
  const parsed = parseYaml(content);
  if (parsed.kind === "refused") throw unreadable(`${name}: it is not YAML that we take: ${parsed.why}`);
  return parsed.value;
}

/** What keeps a value from being JSON of a size that can be sent: in YAML a short text may stand for a long one. */
function faultOf(
  value: unknown,
  bounds: { readonly levels: number; readonly budget: { left: number } },
): string | undefined {
  const { levels, budget } = bounds;
  if (levels === 0) return `it has more than ${mostLevels} levels`;
  budget.left -= typeof value === "string" ? value.length + 2 : 1;
  if (budget.left < 0) return "what it stands for is larger than 8 MiB";
  if (typeof value === "number") return Number.isFinite(value) ? undefined : `${value} is no number in JSON`;
  if (typeof value !== "object" || value === null) return undefined;
  for (const [key, child] of Object.entries(value)) {
    budget.left -= key.length;
    const fault = faultOf(child, { levels: levels - 1, budget });
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function unreadable(message: string): CommandFailure {
  return new CommandFailure(message, { exitCode: exitCode.failed, reason: "FIELD_INVALID" });
}
