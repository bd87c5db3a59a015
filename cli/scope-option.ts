import { Option } from "commander";

/** `--scope <scope>`, as often as there are scopes; absent when there is none. */
export function scopeOption(what: string): Option {
  return new Option("--scope <scope...>", what).choices(["read", "write", "answer"]);
}
