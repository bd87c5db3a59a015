import { type Command, createCommand } from "commander";
import { type Run, RunState } from "../../gen/antiphon/scheduler/v1/run_pb.ts";
import type { CommandContext } from "../command-context.ts";
import { eachRun } from "../each-run.ts";
import { type FormatOption, withFormat } from "../output-format.ts";
import { type ServerOptions, withServer } from "../server-options.ts";
import { runStateWord } from "../state-word.ts";

/** `antiphon pause`: keeps further tasks of runs from starting. */
export function pauseCommand(context: CommandContext): Command {
  const command = createCommand("pause")
    .description("keep further tasks of runs from starting; what is being carried out goes on")
    .argument("<run...>", "their ids, or the beginnings of them")
    .action(async (ids: readonly string[], options: ServerOptions & FormatOption) => {
      await eachRun(context, {
        ids,
        options,
        act: (antiphon, runId) => antiphon.scheduler.pauseRun({ runId }),
        said: ({ state }) => `is ${runStateWord(state)}`,
      });
    });
  return withFormat(withServer(command));
}

/** `antiphon resume`: lets paused or held runs go on. */
export function resumeCommand(context: CommandContext): Command {
  const command = createCommand("resume")
    .description("let paused or held runs go on")
    .argument("<run...>", "their ids, or the beginnings of them")
    .action(async (ids: readonly string[], options: ServerOptions & FormatOption) => {
      await eachRun(context, {
        ids,
        options,
        act: (antiphon, runId) => antiphon.scheduler.resumeRun({ runId }),
        said: resumed,
      });
    });
  return withFormat(withServer(command));
}

function resumed({ state }: Run): string {
  return state === RunState.RUNNING ? "goes on" : `is ${runStateWord(state)}`;
}
