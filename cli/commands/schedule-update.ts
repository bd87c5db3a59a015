import { type Command, createCommand } from "commander";
import type { CommandContext } from "../command-context.ts";
import { CommandFailure } from "../command-failure.ts";
import { exitCode } from "../exit-code.ts";
import { type FormatOption, show, withFormat } from "../output-format.ts";
import { isOfProgram } from "../program-options.ts";
import { type RequestIdOption, requestIdOption } from "../request-id-option.ts";
import { completeScheduleId } from "../schedule-id.ts";
import { type ScheduleOptions, scheduleOf, targetOf, withScheduleOptions } from "../schedule-options.ts";
import { shownSchedule } from "../schedule-rows.ts";
import { openServer, type ServerOptions, withServer } from "../server-options.ts";

interface UpdateOptions extends ServerOptions, FormatOption, ScheduleOptions, RequestIdOption {
  readonly target?: string;
}

/** What an update replaces, by the names of the fields that are given. */
const paths = {
  name: "name",
  timing: "timing",
  target: "target",
  overlap: "overlap",
  catchUp: "catch_up",
  catchUpWindow: "catch_up_window",
} as const;

/** `antiphon schedule update`: changes what the options name. */
export function scheduleUpdateCommand(context: CommandContext): Command {
  const command = createCommand("update")
    .description("change what the options name, and nothing else")
    .argument("<schedule>", "its name or id, or the beginning of the id")
    .argument("[arguments...]", "what a program that is the --target gets in sys.argv, after --")
    .option("--target <target>", "what it starts, with nothing but what is given for it here")
    .addOption(requestIdOption())
    .action(async (typed: string, programArguments: string[], options: UpdateOptions) => {
      refuseLooseEnds(programArguments, options);
      const given = {
        ...scheduleOf(options),
        ...(await targetGiven(programArguments, options)),
      };
      const mask = Object.entries(paths).flatMap(([field, path]) => (field in given ? path : []));
      if (mask.length === 0) throw usage("nothing to change is named");
      using antiphon = await openServer(options);
      const scheduleId = await completeScheduleId(antiphon, typed);
      const { schedule } = await antiphon.scheduler.updateSchedule({
        schedule: { ...given, scheduleId },
        updateMask: { paths: mask },
        requestId: options.requestId ?? "",
      });
      if (schedule === undefined) throw new TypeError("the server answered no schedule");
      await show(context.screen(), options, shownSchedule(schedule));
    });
  return withFormat(withServer(withScheduleOptions(command)));
}

async function targetGiven(programArguments: readonly string[], options: UpdateOptions) {
  if (options.target === undefined) return {};
  const { target } = await targetOf({ typed: options.target, programArguments }, options);
  return { target };
}

/** What says something of another option's value needs that option. */
function refuseLooseEnds(programArguments: readonly string[], options: UpdateOptions): void {
  const { target, input, label, priority, timezone, cron } = options;
  const isOfTarget =
    [input, priority].some((given) => given !== undefined) ||
    [programArguments, Object.keys(label)].some(({ length }) => length > 0) ||
    isOfProgram(options);
  if (target === undefined && isOfTarget)
    throw usage("what says how something is started goes with --target");
  if (cron === undefined && timezone !== undefined) throw usage("--timezone goes with --cron");
}

function usage(message: string): CommandFailure {
  const hint = "antiphon schedule update --help";
  return new CommandFailure(message, { exitCode: exitCode.usage, reason: "USAGE", hint });
}
