import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { type Command, Option } from "commander";
import { readableJson } from "./readable-json.ts";
import type { Screen } from "./screen.ts";
import { tableLines } from "./table.ts";

/** How a command shows what it found. */
export interface FormatOption {
  readonly output: "table" | "json";
}

/** Adds `-o table|json`. */
export function withFormat(command: Command): Command {
  const option = new Option("-o, --output <format>", "how to show it")
    .choices(["table", "json"])
    .default("table");
  return command.addOption(option);
}

/** Shows a message: as JSON, or as a table of what stands in it. */
export async function show<Desc extends DescMessage>(
  screen: Screen,
  { output }: FormatOption,
  shown: {
    readonly schema: Desc;
    readonly message: MessageShape<Desc>;
    readonly headings: readonly string[];
    readonly rows: readonly (readonly string[])[];
  },
): Promise<void> {
  if (output === "json") {
    await screen.line(JSON.stringify(readableJson(shown.schema, shown.message), undefined, 2));
    return;
  }
  for (const line of tableLines(shown.headings, shown.rows)) await screen.line(line);
}
