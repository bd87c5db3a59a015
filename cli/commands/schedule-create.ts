import { type Command, createCommand } from "commander";
import type { CommandContext } from "../command-context.ts";
import { CommandFailure } from "../command-failure.ts";
import { exitCode } from "../exit-code.ts";
import { type FormatOption, show, withFormat } from "../output-format.ts";
import { type RequestIdOption, requestIdOption } from "../request-id-option.ts";
import { type ScheduleOptions, scheduleOf, targetOf, withScheduleOptions } from "../schedule-options.ts";
import { shownSchedule } from "../schedule-rows.ts";
import { openServer, type ServerOptions, withServer } from "../server-options.ts";

interface CreateOptions extends ServerOptions, FormatOption, ScheduleOptions, RequestIdOption {
  readonly paused?: true;
}

/** `antiphon schedule create`: stores a schedule. */
export function scheduleCreateCommand(context: CommandContext): Command {
  const command = createCommand("create")
    .description("start something at given times")
    .argument("<target>", "a workflow's file, name (the newest is started) or id; or a .py or .waldiez file")
    .argument("[arguments...]", "what a program gets in sys.argv, after --")
    .option("--paused", "do nothing until it is resumed")
    .addOption(requestIdOption())
    .action(async (typed: string, programArguments: string[], options: CreateOptions) => {
      const given = scheduleOf(options);
      if (given.timing === undefined) {
        const details = { exitCode: exitCode.usage, reason: "USAGE" };
        throw new CommandFailure("either --cron or --at must be given", details);
      }
      const { name, target } = await targetOf({ typed, programArguments }, options);
      using antiphon = await openServer(options);
      const { schedule } = await antiphon.scheduler.createSchedule({
        schedule: { name, target, paused: options.paused === true, ...given },
        requestId: options.requestId ?? "",
      });
      if (schedule === undefined) throw new TypeError("the server answered no schedule");
      await show(context.screen(), options, shownSchedule(schedule));
    });
  return withFormat(withServer(withScheduleOptions(command)));
}
