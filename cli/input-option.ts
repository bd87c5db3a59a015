import { InvalidArgumentError, Option } from "commander";
import { readDocument } from "./document.ts";

/** `--input <json>`: a JSON value, or `@FILE` for one in a file. Its value is a function, because a file is read when the command runs and not while the line is parsed. */
export function inputOption(what: string): Option {
  return new Option("--input <json>", `${what}, or @FILE`).argParser(jsonArgument);
}

/** Reads a JSON value, or `@FILE` for one in a file (`@-`: standard input), when it is called; a parser for options and arguments. */
export function jsonArgument(text: string): () => Promise<unknown> {
  if (text.startsWith("@")) return async () => (await readDocument(text.slice(1))).value;
  try {
    const value: unknown = JSON.parse(text);
    return async () => value;
  } catch {
    throw new InvalidArgumentError("It is not JSON.");
  }
}
