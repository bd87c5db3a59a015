import { type Command, createCommand } from "commander";
import type { Antiphon } from "../../sdk/typescript/antiphon.ts";
import type { CommandContext } from "../command-context.ts";
import { CommandFailure } from "../command-failure.ts";
import { exitCode } from "../exit-code.ts";
import { type FormatOption, withFormat } from "../output-format.ts";
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
      await refuseWorkflow(antiphon, task.id);
      const { output, after = "" } = options;
      await showTask({ context, antiphon, task, output, after });
    });
  return withFormat(withServer(command), ["table", "json"]);
}

/** Tells apart what has no output of its own. What there is none of is refused by the watch. */
async function refuseWorkflow(antiphon: Antiphon, id: string): Promise<void> {
  if (id.includes(".")) return;
  const { run } = await antiphon.scheduler.getRun({ runId: id });
  if (run === undefined || run.workflowId === "") return;
  throw new CommandFailure(`${id} is a run of the workflow ${run.name}`, {
    exitCode: exitCode.usage,
    reason: "USAGE",
    hint: `antiphon runs watch ${id} shows it; antiphon attach ${id}.NODE one of its tasks`,
  });
}
