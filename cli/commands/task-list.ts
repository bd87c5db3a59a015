import { create } from "@bufbuild/protobuf";
import { type Command, createCommand, Option } from "commander";
import { ListTasksResponseSchema } from "../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import type { CommandContext } from "../command-context.ts";
import { labelOption } from "../label-option.ts";
import { wholeNumber } from "../number-option.ts";
import { type FormatOption, show, withFormat } from "../output-format.ts";
import { eachPage, type PageAsked } from "../pages.ts";
import { openServer, type ServerOptions, withServer } from "../server-options.ts";
import { stateWord, taskStates } from "../state-word.ts";
import { ago, took } from "../times.ts";

interface TaskListOptions extends ServerOptions, FormatOption {
  readonly state?: readonly string[];
  readonly text?: string;
  readonly label: Readonly<Record<string, string>>;
  readonly withoutScheduled?: true;
  readonly orderBy?: string;
  readonly limit: number;
  readonly pageToken?: string;
}

/** `antiphon task list`: lists programs that were submitted alone, newest first or in the order that is asked for. */
export function taskListCommand(context: CommandContext): Command {
  const command = createCommand("list")
    .description("list programs that were submitted alone, newest first")
    .addOption(
      new Option("--state <state...>", "only those in one of these states").choices(Object.keys(taskStates)),
    )
    .option("--text <text>", "only those whose name has it")
    .addOption(labelOption("only those that have this label"))
    .option("--without-scheduled", "leave out those that schedules started")
    .option(
      "--order-by <order>",
      "created_at, task_id, name, state or labels.KEY; for the opposite with ' desc' behind it",
    )
    .option("--limit <count>", "how many at most", wholeNumber(1, 100_000), 50)
    .option("--page-token <token>", "go on where the page before ended")
    .action(async (options: TaskListOptions) => {
      using antiphon = await openServer(options);
      const page = create(ListTasksResponseSchema);
      const listTasks = async (asked: PageAsked) => {
        const request = { filter: filterOf(options), orderBy: options.orderBy ?? "", ...asked };
        const { tasks, nextPageToken } = await antiphon.scheduler.listTasks(request);
        page.tasks.push(...tasks);
        return { count: tasks.length, nextPageToken };
      };
      page.nextPageToken = await eachPage(options, listTasks);
      const screen = context.screen();
      const now = new Date();
      await show(screen, options, {
        schema: ListTasksResponseSchema,
        message: page,
        list: "tasks",
        names: page.tasks.map(({ taskId }) => taskId),
        headings: ["ID", "NAME", "STATE", "STARTED", "TOOK", "LABELS"],
        rows: page.tasks.map(({ taskId, name, state, createdAt, endedAt, labels }) => [
          taskId,
          name,
          stateWord(state),
          ago(createdAt, now),
          took(createdAt, endedAt, now),
          Object.entries(labels)
            .map((pair) => pair.join("="))
            .join(" "),
        ]),
      });
      if (options.output === "table" && page.nextPageToken !== "") {
        await screen.note(`more: the same with --page-token ${page.nextPageToken}`);
      }
    });
  return withFormat(withServer(command));
}

function filterOf({ state = [], text = "", label, withoutScheduled }: TaskListOptions) {
  return {
    states: state.flatMap((word) => taskStates[word] ?? []),
    text,
    labels: { ...label },
    withoutScheduled: withoutScheduled === true,
  };
}
