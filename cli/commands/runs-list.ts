import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { type Command, createCommand, Option } from "commander";
import {
  type ListRunsRequestSchema,
  ListRunsResponseSchema,
} from "../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import type { Antiphon } from "../../sdk/typescript/antiphon.ts";
import type { CommandContext } from "../command-context.ts";
import { labelOption } from "../label-option.ts";
import { wholeNumber } from "../number-option.ts";
import { type FormatOption, show, withFormat } from "../output-format.ts";
import { eachPage, type PageAsked } from "../pages.ts";
import { completeScheduleId } from "../schedule-id.ts";
import { openServer, type ServerOptions, withServer } from "../server-options.ts";
import { runStates, runStateWord } from "../state-word.ts";
import { completeId, isWholeId } from "../task-id.ts";
import { parseMoment } from "../time-option.ts";
import { ago, took } from "../times.ts";

interface RunsListOptions extends ServerOptions, FormatOption {
  readonly state?: readonly string[];
  readonly status?: readonly string[];
  readonly workflow?: string;
  readonly since?: Date;
  readonly until?: Date;
  readonly label: Readonly<Record<string, string>>;
  readonly text?: string;
  readonly schedule?: string;
  readonly parent?: string;
  readonly all?: true;
  readonly limit: number;
  readonly pageToken?: string;
}

type Filter = MessageInitShape<typeof ListRunsRequestSchema>;

/** `antiphon runs list` and `antiphon ls`: lists tasks and runs, newest first. */
export function runsListCommand(context: CommandContext, name: "list" | "ls"): Command {
  const stateOption = (flags: string) =>
    new Option(flags, "only those in one of these states").choices(Object.keys(runStates));
  const command = createCommand(name)
    .description("list tasks and runs, newest first")
    .addOption(stateOption("--state <state...>"))
    .addOption(stateOption("--status <state...>").hideHelp())
    .option("--workflow <name>", "only runs of this workflow, by name or id, or of a file of this name")
    .option("--since <time>", "only those accepted since then: a date, or how long ago (90m)", parseMoment)
    .option("--until <time>", "only those accepted before then", parseMoment)
    .addOption(labelOption("only those that have this label"))
    .option("--text <text>", "only those whose id begins with this, or whose name, label or failure has it")
    .option("--schedule <id>", "only those that this schedule started, by name or id")
    .option("--parent <run>", "only those that this run started")
    .option("--all", "those that other runs started, too")
    .option("--limit <count>", "how many at most", wholeNumber(1, 100_000), 50)
    .option("--page-token <token>", "go on where the page before ended")
    .action(async (options: RunsListOptions) => {
      using antiphon = await openServer(options);
      const filter = await filterOf(antiphon, options);
      const page = create(ListRunsResponseSchema);
      const listRuns = async (asked: PageAsked) => {
        const { runs, nextPageToken } = await antiphon.scheduler.listRuns({ ...filter, ...asked });
        page.runs.push(...runs);
        return { count: runs.length, nextPageToken };
      };
      page.nextPageToken = await eachPage(options, listRuns);
      const screen = context.screen();
      const now = new Date();
      await show(screen, options, {
        schema: ListRunsResponseSchema,
        message: page,
        list: "runs",
        names: page.runs.map(({ runId }) => runId),
        headings: ["ID", "NAME", "KIND", "STATE", "STARTED", "TOOK"],
        rows: page.runs.map(({ runId, name, workflowId, state, createdAt, endedAt }) => [
          runId,
          name,
          workflowId === "" ? "task" : "workflow",
          runStateWord(state),
          ago(createdAt, now),
          took(createdAt, endedAt, now),
        ]),
      });
      if (options.output === "table" && page.nextPageToken !== "") {
        await screen.note(`more: the same with --page-token ${page.nextPageToken}`);
      }
    });
  return withFormat(withServer(command));
}

async function filterOf(antiphon: Antiphon, options: RunsListOptions): Promise<Filter> {
  const {
    state = [],
    status = [],
    workflow = "",
    since,
    until,
    label,
    text,
    schedule,
    parent,
    all,
  } = options;
  return {
    states: [...state, ...status].flatMap((word) => runStates[word] ?? []),
    ...(isWholeId(workflow) ? { workflowId: workflow } : { name: workflow }),
    ...(since !== undefined && { createdAfter: timestampFromDate(since) }),
    ...(until !== undefined && { createdBefore: timestampFromDate(until) }),
    labels: { ...label },
    text: text ?? "",
    ...(schedule !== undefined && { scheduleId: await completeScheduleId(antiphon, schedule) }),
    ...(parent !== undefined && { parentRunId: await completeId(antiphon, parent) }),
    includeChildren: all === true,
  };
}
