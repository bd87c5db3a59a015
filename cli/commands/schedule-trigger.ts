import { type Command, createCommand } from "commander";
import type { CommandContext } from "../command-context.ts";
import { type FormatOption, withFormat } from "../output-format.ts";
import { type RequestIdOption, requestIdOption } from "../request-id-option.ts";
import { completeScheduleId } from "../schedule-id.ts";
import { openServer, type ServerOptions, withServer } from "../server-options.ts";
import { showStarted } from "../show-started.ts";

/** `antiphon schedule trigger`: starts now what a schedule starts, and prints the run's id. */
export function scheduleTriggerCommand(context: CommandContext): Command {
  const command = createCommand("trigger")
    .description("start now what a schedule starts, whatever its times and policies; prints the run's id")
    .argument("<schedule>", "its name or id, or the beginning of the id")
    .addOption(requestIdOption())
    .action(async (typed: string, options: ServerOptions & FormatOption & RequestIdOption) => {
      using antiphon = await openServer(options);
      const scheduleId = await completeScheduleId(antiphon, typed);
      const requestId = options.requestId ?? "";
      const { run } = await antiphon.scheduler.triggerSchedule({ scheduleId, requestId });
      await showStarted(context.screen(), options, run);
    });
  return withFormat(withServer(command));
}
