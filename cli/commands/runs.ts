import { type Command, createCommand } from "commander";
import type { CommandContext } from "../command-context.ts";
import { getCommand } from "./get.ts";
import { runsListCommand } from "./runs-list.ts";
import { runsWatchCommand } from "./runs-watch.ts";

/** `antiphon runs`: what can be seen of runs. */
export function runsCommand(context: CommandContext): Command {
  return createCommand("runs")
    .description("list, show and watch runs")
    .addCommand(runsListCommand(context, "list"))
    .addCommand(getCommand(context))
    .addCommand(runsWatchCommand(context));
}
