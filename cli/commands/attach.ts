import { type Command, createCommand } from "commander";
import type { CommandContext } from "../command-context.ts";
import { type FormatOption, withFormat } from "../output-format.ts";
import { refuseWorkflow } from "../refuse-workflow.ts";
import { openServer, type ServerOptions, withServer } from "../server-options.ts";
import { showTask } from "../show-task.ts";
import { completeId } from "../task-id.ts";

/** `antiphon attach`: comes back to a task. */
export function attachCommand(context: CommandContext): Command {
  const command = createCommand("attach")
    .description("show a task from its beginning to its end and ask what it asks")
    .argument("<id>", "a task's id, or the beginning of it")
    .option("--after <cursor>", "only what comes after this cursor, such as 1-17")
    .action(async (id: string, options: ServerOptions & FormatOption & { readonly after?: string }) => {
      using antiphon = await openServer(options);
      const task = antiphon.task(await completeId(antiphon, id));
      await refuseWorkflow(antiphon, { id: task.id, command: "attach" });
      const { output, after = "" } = options;
      await showTask({ context, antiphon, task, output, after });
    });
  return withFormat(withServer(command), ["table", "json"]);
}
