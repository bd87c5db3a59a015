import { type Command, createCommand } from "commander";
import type { CommandContext } from "../command-context.ts";
import { workflowApplyCommand } from "./workflow-apply.ts";
import { workflowDeleteCommand } from "./workflow-delete.ts";
import { workflowGetCommand } from "./workflow-get.ts";
import { workflowGraphCommand } from "./workflow-graph.ts";
import { workflowListCommand } from "./workflow-list.ts";
import { workflowRunCommand } from "./workflow-run.ts";
import { workflowValidateCommand } from "./workflow-validate.ts";

/** `antiphon workflow`: what can be done with a definition. */
export function workflowCommand(context: CommandContext): Command {
  return createCommand("workflow")
    .description("run, check, store and draw workflows")
    .addCommand(workflowRunCommand(context))
    .addCommand(workflowValidateCommand(context))
    .addCommand(workflowApplyCommand(context))
    .addCommand(workflowListCommand(context))
    .addCommand(workflowGetCommand(context))
    .addCommand(workflowGraphCommand(context))
    .addCommand(workflowDeleteCommand(context));
}
