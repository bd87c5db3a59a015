import { type Command, createCommand } from "commander";
import { ListWorkflowsResponseSchema } from "../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import type { CommandContext } from "../command-context.ts";
import { wholeNumber } from "../number-option.ts";
import { type FormatOption, show, withFormat } from "../output-format.ts";
import { openServer, type ServerOptions, withServer } from "../server-options.ts";
import { ago } from "../times.ts";

interface WorkflowListOptions extends ServerOptions, FormatOption {
  readonly name?: string;
  readonly limit: number;
  readonly pageToken?: string;
}

/** `antiphon workflow list`: lists stored definitions, newest first. */
export function workflowListCommand(context: CommandContext): Command {
  const command = createCommand("list")
    .description("list stored definitions, newest first")
    .option("--name <name>", "only those of this name")
    .option("--limit <count>", "how many at most", wholeNumber(1, 1_000), 50)
    .option("--page-token <token>", "go on where the page before ended")
    .action(async (options: WorkflowListOptions) => {
      using antiphon = await openServer(options);
      const { name = "", limit: pageSize, pageToken = "" } = options;
      const page = await antiphon.scheduler.listWorkflows({ name, pageSize, pageToken });
      const screen = context.screen();
      const now = new Date();
      await show(screen, options, {
        schema: ListWorkflowsResponseSchema,
        message: page,
        list: "workflows",
        names: page.workflows.map(({ workflowId }) => workflowId),
        headings: ["ID", "NAME", "VERSION", "STORED"],
        rows: page.workflows.map(({ workflowId, name, version, createdAt }) => [
          workflowId,
          name,
          version.slice(0, 12),
          ago(createdAt, now),
        ]),
      });
      if (options.output === "table" && page.nextPageToken !== "") {
        await screen.note(`more: the same with --page-token ${page.nextPageToken}`);
      }
    });
  return withFormat(withServer(command));
}
