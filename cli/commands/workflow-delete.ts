import { type Command, createCommand } from "commander";
import type { CommandContext } from "../command-context.ts";
import { confirmed } from "../confirmed.ts";
import { eachId } from "../each-run.ts";
import { openServer, type ServerOptions, withServer } from "../server-options.ts";
import { storedWorkflow } from "../workflow-reference.ts";

interface WorkflowDeleteOptions extends ServerOptions {
  readonly yes?: true;
}

/** `antiphon workflow delete`: keeps new runs from starting by definitions. */
export function workflowDeleteCommand(context: CommandContext): Command {
  const command = createCommand("delete")
    .description("take definitions out of lists and keep new runs from starting by them; their runs stay")
    .argument("<workflow...>", "names (the newest of each), ids, or the beginnings of them")
    .option("-y, --yes", "do not ask")
    .action(async (names: readonly string[], options: WorkflowDeleteOptions) => {
      using antiphon = await openServer(options);
      const screen = context.screen();
      const question = `delete ${names.length === 1 ? `workflow ${names[0]}` : `${names.length} workflows`}?`;
      if (!(await confirmed(context, question, options.yes === true))) return;
      await eachId({ ids: names, screen, context }, async (typed) => {
        const { workflowId, name } = await storedWorkflow(antiphon, typed);
        await antiphon.scheduler.deleteWorkflow({ workflowId });
        await screen.line(`workflow ${name} is deleted, id ${workflowId}`);
      });
    });
  return withServer(command);
}
