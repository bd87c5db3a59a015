import { type Command, createCommand } from "commander";
import type { CommandContext } from "../command-context.ts";
import { type FormatOption, show, withFormat } from "../output-format.ts";
import { completeScheduleId } from "../schedule-id.ts";
import { shownSchedule } from "../schedule-rows.ts";
import { openServer, type ServerOptions, withServer } from "../server-options.ts";

/** `antiphon schedule get`: shows a schedule and when it fires next. */
export function scheduleGetCommand(context: CommandContext): Command {
  const command = createCommand("get")
    .description("show a schedule and when it fires next")
    .argument("<schedule>", "its name or id, or the beginning of the id")
    .action(async (typed: string, options: ServerOptions & FormatOption) => {
      using antiphon = await openServer(options);
      const scheduleId = await completeScheduleId(antiphon, typed);
      const { schedule } = await antiphon.scheduler.getSchedule({ scheduleId });
      if (schedule === undefined) throw new TypeError("the server answered no schedule");
      await show(context.screen(), options, shownSchedule(schedule));
    });
  return withFormat(withServer(command));
}
