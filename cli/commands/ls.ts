import { type Command, createCommand, Option } from "commander";
import { RunState } from "../../gen/antiphon/scheduler/v1/run_pb.ts";
import { ListRunsResponseSchema } from "../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import type { CommandContext } from "../command-context.ts";
import { type FormatOption, show, withFormat } from "../output-format.ts";
import { openServer, type ServerOptions, withServer } from "../server-options.ts";
import { runStateWord } from "../state-word.ts";
import { ago, took } from "../times.ts";

interface LsOptions extends ServerOptions, FormatOption {
  readonly state?: readonly string[];
  readonly limit: string;
  readonly pageToken?: string;
}

const states: Readonly<Record<string, RunState>> = {
  pending: RunState.PENDING,
  running: RunState.RUNNING,
  paused: RunState.PAUSED,
  completed: RunState.COMPLETED,
  failed: RunState.FAILED,
  cancelled: RunState.CANCELLED,
};

/** `antiphon ls`: lists tasks and runs, newest first. */
export function lsCommand(context: CommandContext): Command {
  const command = createCommand("ls")
    .description("list tasks and runs, newest first")
    .addOption(
      new Option("--state <state...>", "only those in one of these states").choices(Object.keys(states)),
    )
    .option("--limit <count>", "how many at most", "50")
    .option("--page-token <token>", "go on where the page before ended")
    .action(async (options: LsOptions) => {
      using antiphon = await openServer(options);
      const page = await antiphon.scheduler.listRuns({
        pageSize: Number(options.limit) || 50,
        states: (options.state ?? []).flatMap((name) => states[name] ?? []),
        pageToken: options.pageToken ?? "",
      });
      const screen = context.screen();
      const now = new Date();
      await show(screen, options, {
        schema: ListRunsResponseSchema,
        message: page,
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
        await screen.note(`more: antiphon ls --page-token ${page.nextPageToken}`);
      }
    });
  return withFormat(withServer(command));
}
