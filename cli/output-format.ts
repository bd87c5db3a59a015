import type { DescMessage, JsonObject, JsonValue, MessageShape } from "@bufbuild/protobuf";
import { type Command, Option } from "commander";

import { readableJson } from "./readable-json.ts";
import type { Screen } from "./screen.ts";
import { tableLines } from "./table.ts";
import { toYaml } from "./to-yaml.ts";

/** How something found is shown. */
export type Format = "table" | "json" | "jsonl" | "yaml" | "name";

/** How a command shows what it found. */
export interface FormatOption<Choice extends Format = Format> {
  readonly output: Choice;
}

const everyFormat: readonly Format[] = ["table", "json", "jsonl", "yaml", "name"];

/** Adds `-o`, with the formats that the command knows; `table` when it is not given. */
export function withFormat(command: Command, formats: readonly Format[] = everyFormat): Command {
  const option = new Option("-o, --output <format>", "how to show it").choices(formats).default("table");
  return command.addOption(option);
}

/** What is found: a message, what of it makes a table, and what names it. */
export interface Shown<Desc extends DescMessage> {
  readonly schema: Desc;
  readonly message: MessageShape<Desc>;
  /** The field, by its JSON name, whose elements are what was asked for; unset when the message itself is. */
  readonly list?: string;
  /** Ids, a line each, for `-o name`. */
  readonly names: readonly string[];
  readonly headings: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** Shows a message as the format says. */
export async function show<Desc extends DescMessage>(
  screen: Screen,
  { output }: FormatOption,
  { schema, message, list, names, headings, rows }: Shown<Desc>,
): Promise<void> {
  if (output === "table") {
    for (const line of tableLines(headings, rows)) await screen.line(line);
  } else if (output === "name") {
    for (const name of names) await screen.line(name);
  } else await showJson(screen, { output }, readableJson(schema, message), list);
}

/** Shows a JSON value; as `jsonl` the elements of its `list`, a line each. */
export async function showJson(
  screen: Screen,
  { output }: FormatOption,
  json: JsonValue,
  list?: string,
): Promise<void> {
  if (output === "yaml") await screen.out(toYaml(json));
  else if (output !== "jsonl") await screen.line(JSON.stringify(json, undefined, 2));
  else {
    const elements = list === undefined ? json : (json as JsonObject)[list];
    for (const element of Array.isArray(elements) ? elements : [json])
      await screen.line(JSON.stringify(element));
  }
}
