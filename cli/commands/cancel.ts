import { type Command, createCommand } from "commander";
import type { CommandContext } from "../command-context.ts";
import { eachRun } from "../each-run.ts";
import { type FormatOption, withFormat } from "../output-format.ts";
import { type ServerOptions, withServer } from "../server-options.ts";
import { runStateWord } from "../state-word.ts";

/** `antiphon cancel`: asks for the end of tasks and runs. */
export function cancelCommand(context: CommandContext): Command {
  const command = createCommand("cancel")
    .description("ask for the end of tasks and runs")
    .argument("<id...>", "their ids, or the beginnings of them")
    .action(async (ids: readonly string[], options: ServerOptions & FormatOption) => {
      await eachRun(context, {
        ids,
        options,
        act: (antiphon, runId) => antiphon.scheduler.cancelRun({ runId }),
        said: ({ cancelRequested, state }) =>
          cancelRequested ? "is asked to end" : `is ${runStateWord(state)}`,
      });
    });
  return withFormat(withServer(command));
}
