import { type Command, createCommand } from "commander";
import type { CommandContext } from "../command-context.ts";
import { type FormatOption, withFormat } from "../output-format.ts";
import { type RequestIdOption, requestIdOption } from "../request-id-option.ts";
import { openServer, type ServerOptions, withServer } from "../server-options.ts";
import { showStarted } from "../show-started.ts";
import { completeId } from "../task-id.ts";

interface RerunOptions extends ServerOptions, FormatOption, RequestIdOption {
  readonly fromFailed?: true;
  readonly hold?: true;
}

/** `antiphon rerun`: starts a run again as a new one, and prints its id. */
export function rerunCommand(context: CommandContext): Command {
  const command = createCommand("rerun")
    .description("start a run again, as a new one with the same definition and input; prints its id")
    .argument("<run>", "its id, or the beginning of it")
    .option("--from-failed", "keep what completed nodes gave, and carry out only the others")
    .option("--hold", "wait until it is resumed")
    .addOption(requestIdOption())
    .action(async (id: string, options: RerunOptions) => {
      using antiphon = await openServer(options);
      const runId = await completeId(antiphon, id);
      const { fromFailed = false, hold = false, requestId = "" } = options;
      const answer = await antiphon.scheduler.rerunRun({ runId, fromFailed, hold, requestId });
      await showStarted(context.screen(), options, answer.run);
    });
  return withFormat(withServer(command));
}
