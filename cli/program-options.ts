import { basename } from "node:path";
import { type Command, Option } from "commander";
import type { Submission } from "../sdk/typescript/antiphon.ts";
import { parseDuration } from "./duration.ts";
import { fileContent } from "./file-content.ts";
import { programEnv } from "./program-env.ts";

/** What options say of a program that is handed in. */
export interface ProgramOptions {
  readonly timeout?: number;
  readonly requirement: readonly string[];
  readonly skipRequirements?: true;
  readonly env: readonly string[];
  readonly envFile: readonly string[];
  readonly message?: string;
  readonly promptTimeout?: number;
}

/** What else is said of a program, by options that workflows have, too. */
interface AlsoSaid {
  readonly input?: () => Promise<unknown>;
  readonly label: Readonly<Record<string, string>>;
}

/** Adds what only a program can be given. */
export function withProgramOptions(command: Command): Command {
  return command
    .option("--message <text>", "what a flow is first told, in place of its own first message")
    .addOption(
      repeatable(
        "--env <name=value>",
        "a variable for the program; NAME alone takes the value that it has here",
      ),
    )
    .addOption(repeatable("--env-file <file>", "a file of NAME=value lines, variables for the program"))
    .addOption(repeatable("--requirement <package>", "a Python package that it needs, name or name==version"))
    .option("--skip-requirements", "leave out the packages that a flow names")
    .option(
      "--timeout <time>",
      "how long it may run, such as 90s or 10m, waiting for answers not counted",
      parseDuration,
    )
    .option(
      "--prompt-timeout <time>",
      "how long each question waits before it is answered with nothing; for ever when not given",
      parseDuration,
    );
}

/** A program with what the options say of it. Reads the files that they name. Throws CommandFailure where that can not be. */
export async function submissionOf(
  { file, programArguments }: { readonly file: string; readonly programArguments: readonly string[] },
  options: ProgramOptions & AlsoSaid,
): Promise<Submission> {
  const { timeout, requirement, skipRequirements, env, envFile, message, promptTimeout, label } = options;
  const input = await options.input?.();
  return {
    file: { name: basename(file), content: await fileContent(file) },
    arguments: programArguments,
    requirements: requirement,
    env: await programEnv({ files: envFile, texts: env }, process.env),
    labels: label,
    ...(input !== undefined && { input }),
    ...(skipRequirements !== undefined && { skipRequirements }),
    ...(message !== undefined && { message }),
    ...(timeout !== undefined && { wallTimeMs: timeout }),
    ...(promptTimeout !== undefined && { promptTimeoutMs: promptTimeout }),
  };
}

/** Whether something is said that only a program can be given. */
export function isOfProgram(options: ProgramOptions): boolean {
  const { timeout, requirement, skipRequirements, env, envFile, message, promptTimeout } = options;
  return (
    [timeout, skipRequirements, message, promptTimeout].some((given) => given !== undefined) ||
    [requirement, env, envFile].some(({ length }) => length > 0)
  );
}

function repeatable(flags: string, what: string): Option {
  return new Option(flags, `${what}; repeatable`)
    .default([], "none")
    .argParser((value: string, before: readonly string[]) => [...before, value]);
}
