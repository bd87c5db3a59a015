import { basename, extname } from "node:path";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { type Command, Option } from "commander";
import {
  CatchUpPolicy,
  OverlapPolicy,
  type Schedule_TargetSchema,
  type Schedule_TimingSchema,
  type ScheduleSchema,
} from "../gen/antiphon/scheduler/v1/schedule_pb.ts";
import { submissionMessage } from "../sdk/typescript/antiphon.ts";
import { CommandFailure } from "./command-failure.ts";
import { parseDuration } from "./duration.ts";
import { exitCode } from "./exit-code.ts";
import { inputOption } from "./input-option.ts";
import { labelOption } from "./label-option.ts";
import { wholeNumber } from "./number-option.ts";
import { isOfProgram, type ProgramOptions, submissionOf, withProgramOptions } from "./program-options.ts";
import { parseMomentAhead } from "./time-option.ts";
import { startedBy, workflowReference } from "./workflow-reference.ts";

/** What options say of a schedule. */
export interface ScheduleOptions extends ProgramOptions {
  readonly name?: string;
  readonly cron?: string;
  readonly at?: Date;
  readonly timezone?: string;
  readonly overlap?: string;
  readonly catchUp?: string;
  readonly window?: number;
  readonly input?: () => Promise<unknown>;
  readonly label: Readonly<Record<string, string>>;
  readonly priority?: number;
}

type ScheduleInit = Extract<MessageInitShape<typeof ScheduleSchema>, { readonly $typeName?: never }>;

/** The policies by the words of the command line. */
export const overlapPolicies: Readonly<Record<string, OverlapPolicy>> = {
  skip: OverlapPolicy.SKIP,
  queue: OverlapPolicy.QUEUE,
  "cancel-old": OverlapPolicy.CANCEL_OLD,
  allow: OverlapPolicy.ALLOW,
};

/** Likewise. */
export const catchUpPolicies: Readonly<Record<string, CatchUpPolicy>> = {
  skip: CatchUpPolicy.SKIP,
  latest: CatchUpPolicy.LATEST,
  all: CatchUpPolicy.ALL,
};

/** Adds what a schedule can be given. */
export function withScheduleOptions(command: Command): Command {
  const schedule = command
    .option("--name <name>", "what it is called; the workflow's or file's name when not given")
    .addOption(
      new Option("--cron <expression>", "when: five fields, such as '0 3 * * mon-fri'").conflicts("at"),
    )
    .option("--at <time>", "once: a time, or from now (90m)", parseMomentAhead)
    .option("--timezone <name>", "the time zone of --cron, such as Europe/Berlin; UTC when not given")
    .addOption(
      new Option("--overlap <policy>", "what is due while the run before has not ended (skip)").choices(
        Object.keys(overlapPolicies),
      ),
    )
    .addOption(
      new Option("--catch-up <policy>", "which missed firings are made up for (latest)").choices(
        Object.keys(catchUpPolicies),
      ),
    )
    .option("--window <time>", "how old a missed firing may be to be made up for (1h)", parseDuration)
    .addOption(inputOption("the input of each run"))
    .addOption(labelOption("a label for each run"))
    .option("--priority <number>", "the priority of each run of a workflow", wholeNumber(-100, 100));
  return withProgramOptions(schedule);
}

/** What the options say, in the fields of a schedule; fields that no option is about are left out. */
export function scheduleOf(options: ScheduleOptions): ScheduleInit {
  const { name, overlap, catchUp, window } = options;
  const timing = timingOf(options);
  return {
    ...(name !== undefined && { name }),
    ...(timing !== undefined && { timing }),
    ...(overlap !== undefined && { overlap: overlapPolicies[overlap] ?? OverlapPolicy.UNSPECIFIED }),
    ...(catchUp !== undefined && { catchUp: catchUpPolicies[catchUp] ?? CatchUpPolicy.UNSPECIFIED }),
    ...(window !== undefined && { catchUpWindow: durationFromMs(window) }),
  };
}

/** What is started, and its name: a program by the endings `.py` and `.waldiez`, else a workflow's file, name or id. Throws CommandFailure for options that are not for such a thing. */
export async function targetOf(
  { typed, programArguments }: { readonly typed: string; readonly programArguments: readonly string[] },
  options: ScheduleOptions,
): Promise<{ readonly name: string; readonly target: MessageInitShape<typeof Schedule_TargetSchema> }> {
  const { input, label, priority } = options;
  if ([".py", ".waldiez"].includes(extname(typed))) {
    if (priority !== undefined) throw usage("--priority is for workflows, and this is a program");
    const value = await submissionMessage(await submissionOf({ file: typed, programArguments }, options));
    return { name: basename(typed), target: { kind: { case: "task", value } } };
  }
  if (isOfProgram(options) || programArguments.length > 0) {
    throw usage(`arguments, variables and the like are for programs, and ${typed} is a workflow`);
  }
  const reference = await workflowReference(typed);
  const name = reference.kind === "file" ? reference.file.definition.name : typed;
  const value = await input?.();
  const workflow = {
    ...startedBy(reference),
    ...(value !== undefined && { input: Buffer.from(JSON.stringify(value)) }),
    labels: { ...label },
    ...(priority !== undefined && { priority }),
  };
  return { name, target: { kind: { case: "workflow", value: workflow } } };
}

function timingOf({
  cron,
  at,
  timezone = "",
}: ScheduleOptions): MessageInitShape<typeof Schedule_TimingSchema> | undefined {
  if (cron !== undefined) return { kind: { case: "cron", value: cron }, timeZone: timezone };
  if (at !== undefined) return { kind: { case: "at", value: timestampFromDate(at) } };
  return undefined;
}

function usage(message: string): CommandFailure {
  return new CommandFailure(message, { exitCode: exitCode.usage, reason: "USAGE" });
}
