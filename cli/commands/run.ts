import { type Command, createCommand } from "commander";
import { TaskSchema } from "../../gen/antiphon/scheduler/v1/task_pb.ts";
import type { CommandContext } from "../command-context.ts";
import { inputOption } from "../input-option.ts";
import { labelOption } from "../label-option.ts";
import { type FormatOption, withFormat } from "../output-format.ts";
import { type ProgramOptions, submissionOf, withProgramOptions } from "../program-options.ts";
import { readableJson } from "../readable-json.ts";
import { openServer, type ServerOptions, withServer } from "../server-options.ts";
import { showTask } from "../show-task.ts";

interface RunOptions extends ServerOptions, FormatOption, ProgramOptions {
  readonly detach?: true;
  readonly input?: () => Promise<unknown>;
  readonly label: Readonly<Record<string, string>>;
}

/** `antiphon run`: submits a program and goes through it with the user. */
export function runCommand(context: CommandContext): Command {
  const command = createCommand("run")
    .description("run a Python program or a Waldiez flow, show what it writes and ask what it asks")
    .argument("<file>", "a .py or .waldiez file")
    .argument("[arguments...]", "what the program gets in sys.argv, after --")
    .option("-d, --detach", "submit only, and print the task's id")
    .addOption(inputOption("what the program finds as its input"))
    .addOption(labelOption("what the task can be found by"))
    .action(async (file: string, programArguments: string[], options: RunOptions) => {
      const submission = await submissionOf({ file, programArguments }, options);
      using antiphon = await openServer(options);
      const task = await antiphon.submit(submission);
      const { output } = options;
      if (options.detach === undefined) {
        await context.screen().note(`task ${task.id}`);
        await showTask({ context, antiphon, task, output });
      } else {
        const said = output === "json" ? JSON.stringify(readableJson(TaskSchema, await task.get())) : task.id;
        await context.screen().line(said);
      }
    });
  return withFormat(withServer(withProgramOptions(command)), ["table", "json"]);
}
