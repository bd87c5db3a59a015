import { type Command, createCommand } from "commander";
import type { CommandContext } from "../command-context.ts";
import { eachId } from "../each-run.ts";
import { completeScheduleId } from "../schedule-id.ts";
import { openServer, type ServerOptions, withServer } from "../server-options.ts";

/** `antiphon schedule pause` and `resume`. */
export function schedulePauseCommand(
  context: CommandContext,
  { name, paused }: { readonly name: "pause" | "resume"; readonly paused: boolean },
): Command {
  const command = createCommand(name)
    .description(paused ? "keep schedules from firing until they are resumed" : "let schedules fire again")
    .argument("<schedule...>", "names or ids, or the beginnings of ids")
    .action(async (names: readonly string[], options: ServerOptions) => {
      using antiphon = await openServer(options);
      const screen = context.screen();
      await eachId({ ids: names, screen, context }, async (typed) => {
        const scheduleId = await completeScheduleId(antiphon, typed);
        const updateMask = { paths: ["paused"] };
        await antiphon.scheduler.updateSchedule({ schedule: { scheduleId, paused }, updateMask });
        await screen.line(`schedule ${scheduleId} ${paused ? "is paused" : "goes on"}`);
      });
    });
  return withServer(command);
}
