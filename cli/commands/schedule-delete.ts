import { type Command, createCommand } from "commander";
import type { CommandContext } from "../command-context.ts";
import { confirmed } from "../confirmed.ts";
import { eachId } from "../each-run.ts";
import { completeScheduleId } from "../schedule-id.ts";
import { openServer, type ServerOptions, withServer } from "../server-options.ts";

/** `antiphon schedule delete`: ends schedules. */
export function scheduleDeleteCommand(context: CommandContext): Command {
  const command = createCommand("delete")
    .description("end schedules; what they started stays")
    .argument("<schedule...>", "names or ids, or the beginnings of ids")
    .option("-y, --yes", "do not ask")
    .action(async (names: readonly string[], options: ServerOptions & { readonly yes?: true }) => {
      using antiphon = await openServer(options);
      const screen = context.screen();
      const question = `delete ${names.length === 1 ? `schedule ${names[0]}` : `${names.length} schedules`}?`;
      if (!(await confirmed(context, question, options.yes === true))) return;
      await eachId({ ids: names, screen, context }, async (typed) => {
        const scheduleId = await completeScheduleId(antiphon, typed);
        await antiphon.scheduler.deleteSchedule({ scheduleId });
        await screen.line(`schedule ${scheduleId} is deleted`);
      });
    });
  return withServer(command);
}
