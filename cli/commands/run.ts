import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { type Command, createCommand } from "commander";
import { TaskSchema } from "../../gen/antiphon/scheduler/v1/task_pb.ts";
import type { CommandContext } from "../command-context.ts";
import { CommandFailure } from "../command-failure.ts";
import { parseDuration } from "../duration.ts";
import { exitCode } from "../exit-code.ts";
import { inputOption } from "../input-option.ts";
import { type FormatOption, withFormat } from "../output-format.ts";
import { readableJson } from "../readable-json.ts";
import { openServer, type ServerOptions, withServer } from "../server-options.ts";
import { showTask } from "../show-task.ts";

interface RunOptions extends ServerOptions, FormatOption {
  readonly detach?: true;
  readonly input?: () => Promise<unknown>;
  readonly timeout?: number;
  readonly requirement: readonly string[];
}

/** `antiphon run`: submits a program and goes through it with the user. */
export function runCommand(context: CommandContext): Command {
  const command = createCommand("run")
    .description("run a Python program or a Waldiez flow, show what it writes and ask what it asks")
    .argument("<file>", "a .py or .waldiez file")
    .argument("[arguments...]", "what the program gets in sys.argv, after --")
    .option("-d, --detach", "submit only, and print the task's id")
    .addOption(inputOption("what the program finds as its input"))
    .option(
      "--timeout <time>",
      "how long it may run, such as 90s or 10m, waiting for answers not counted",
      parseDuration,
    )
    .option(
      "--requirement <package>",
      "a Python package that it needs, name or name==version; repeatable",
      collect,
      [],
    )
    .action(async (file: string, programArguments: string[], options: RunOptions) => {
      const input = await options.input?.();
      using antiphon = await openServer(options);
      const { timeout: wallTimeMs, requirement: requirements } = options;
      const task = await antiphon.submit({
        file: { name: basename(file), content: await readProgram(file) },
        arguments: programArguments,
        requirements,
        ...(wallTimeMs !== undefined && { wallTimeMs }),
        ...(input !== undefined && { input }),
      });
      const { output } = options;
      if (options.detach === undefined) {
        await context.screen().note(`task ${task.id}`);
        await showTask({ context, antiphon, task, output });
      } else {
        const said = output === "json" ? JSON.stringify(readableJson(TaskSchema, await task.get())) : task.id;
        await context.screen().line(said);
      }
    });
  return withFormat(withServer(command), ["table", "json"]);
}

async function readProgram(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? "";
    const what = code === "ENOENT" ? "there is no such file" : "it can not be read";
    throw new CommandFailure(`${file}: ${what}`, { exitCode: exitCode.usage, reason: code, cause });
  }
}

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}
