import { type Command, createCommand } from "commander";
import { ListSchedulesResponseSchema } from "../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import type { CommandContext } from "../command-context.ts";
import { wholeNumber } from "../number-option.ts";
import { type FormatOption, show, withFormat } from "../output-format.ts";
import { targetText, timingText } from "../schedule-rows.ts";
import { openServer, type ServerOptions, withServer } from "../server-options.ts";
import { ago } from "../times.ts";

interface ListOptions extends ServerOptions, FormatOption {
  readonly limit: number;
  readonly pageToken?: string;
}

/** `antiphon schedule list`: lists schedules, newest first. */
export function scheduleListCommand(context: CommandContext): Command {
  const command = createCommand("list")
    .description("list schedules, newest first")
    .option("--limit <count>", "how many at most", wholeNumber(1, 1_000), 50)
    .option("--page-token <token>", "go on where the page before ended")
    .action(async (options: ListOptions) => {
      using antiphon = await openServer(options);
      const { limit: pageSize, pageToken = "" } = options;
      const page = await antiphon.scheduler.listSchedules({ pageSize, pageToken });
      const screen = context.screen();
      const now = new Date();
      await show(screen, options, {
        schema: ListSchedulesResponseSchema,
        message: page,
        list: "schedules",
        names: page.schedules.map(({ scheduleId }) => scheduleId),
        headings: ["ID", "NAME", "STATE", "WHEN", "STARTS", "LAST"],
        rows: page.schedules.map((schedule) => [
          schedule.scheduleId,
          schedule.name,
          schedule.paused ? "paused" : schedule.lastFailure === undefined ? "active" : "failing",
          timingText(schedule),
          targetText(schedule),
          ago(schedule.lastFiringAt, now),
        ]),
      });
      if (options.output === "table" && page.nextPageToken !== "") {
        await screen.note(`more: the same with --page-token ${page.nextPageToken}`);
      }
    });
  return withFormat(withServer(command));
}
