import { type Command, createCommand } from "commander";
import type { CommandContext } from "../command-context.ts";
import { workflowRunCommand } from "./workflow-run.ts";
import { workflowValidateCommand } from "./workflow-validate.ts";

/** `antiphon workflow`: what can be done with a definition. */
export function workflowCommand(context: CommandContext): Command {
  return createCommand("workflow")
    .description("run or check a workflow's definition")
    .addCommand(workflowRunCommand(context))
    .addCommand(workflowValidateCommand(context));
}
