import { type Command, createCommand } from "commander";
import type { CommandContext } from "../command-context.ts";
import { taskListCommand } from "./task-list.ts";

/** `antiphon task`: what can be seen of programs that were submitted alone. */
export function taskCommand(context: CommandContext): Command {
  return createCommand("task")
    .description("list programs that were submitted alone")
    .addCommand(taskListCommand(context));
}
