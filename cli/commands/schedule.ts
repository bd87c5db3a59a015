import { type Command, createCommand } from "commander";
import type { CommandContext } from "../command-context.ts";
import { scheduleCreateCommand } from "./schedule-create.ts";
import { scheduleDeleteCommand } from "./schedule-delete.ts";
import { scheduleGetCommand } from "./schedule-get.ts";
import { scheduleListCommand } from "./schedule-list.ts";
import { schedulePauseCommand } from "./schedule-pause.ts";
import { scheduleTriggerCommand } from "./schedule-trigger.ts";
import { scheduleUpdateCommand } from "./schedule-update.ts";

/** `antiphon schedule`: what starts by itself at given times. */
export function scheduleCommand(context: CommandContext): Command {
  return createCommand("schedule")
    .description("start workflows and programs at given times")
    .addCommand(scheduleCreateCommand(context))
    .addCommand(scheduleListCommand(context))
    .addCommand(scheduleGetCommand(context))
    .addCommand(scheduleUpdateCommand(context))
    .addCommand(schedulePauseCommand(context, { name: "pause", paused: true }))
    .addCommand(schedulePauseCommand(context, { name: "resume", paused: false }))
    .addCommand(scheduleTriggerCommand(context))
    .addCommand(scheduleDeleteCommand(context));
}
