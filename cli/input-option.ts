import { readFile } from "node:fs/promises";
import { InvalidArgumentError, Option } from "commander";
import { CommandFailure } from "./command-failure.ts";
import { exitCode } from "./exit-code.ts";

/** `--input <json>`: a JSON value, or `@FILE` for one in a file. Its value is a function, because a file is read when the command runs and not while the line is parsed. */
export function inputOption(what: string): Option {
  return new Option("--input <json>", `${what}, or @FILE`).argParser((text) => {
    if (text.startsWith("@")) return () => readInput(text.slice(1));
    const value = parse(text);
    if (value === undefined) throw new InvalidArgumentError("It is not JSON.");
    return async () => value;
  });
}

async function readInput(path: string): Promise<unknown> {
  const text = await readFile(path, "utf8").catch((cause: NodeJS.ErrnoException) => {
    throw new CommandFailure(`${path}: it can not be read`, {
      exitCode: exitCode.usage,
      reason: cause.code ?? "",
      cause,
    });
  });
  const value = parse(text);
  if (value === undefined)
    throw new CommandFailure(`${path}: it is not JSON`, { exitCode: exitCode.usage, reason: "USAGE" });
  return value;
}

/** No JSON text means undefined. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
