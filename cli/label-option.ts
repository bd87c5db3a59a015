import { InvalidArgumentError, Option } from "commander";

/** `--label <key=value>`, as often as there are labels; its value is an object of them. */
export function labelOption(what: string): Option {
  return new Option("--label <key=value>", `${what}; repeatable`)
    .default({}, "none")
    .argParser((text: string, before: Readonly<Record<string, string>>) => {
      const at = text.indexOf("=");
      if (at < 1) throw new InvalidArgumentError("It is not KEY=VALUE.");
      return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
    });
}
