import { type Command, createCommand } from "commander";
import type { CommandContext } from "../command-context.ts";
import { clientCreateCommand } from "./client-create.ts";
import { clientDeleteCommand } from "./client-delete.ts";
import { clientDisableCommand } from "./client-disable.ts";
import { clientGetCommand } from "./client-get.ts";
import { clientListCommand } from "./client-list.ts";
import { clientRotateSecretCommand } from "./client-rotate-secret.ts";
import { clientUpdateCommand } from "./client-update.ts";

/** `antiphon client`: who may call. */
export function clientCommand(context: CommandContext): Command {
  return createCommand("client")
    .description("manage who may call")
    .addCommand(clientCreateCommand(context))
    .addCommand(clientListCommand(context))
    .addCommand(clientGetCommand(context))
    .addCommand(clientUpdateCommand(context))
    .addCommand(clientRotateSecretCommand(context))
    .addCommand(clientDisableCommand(context, { name: "disable", disabled: true }))
    .addCommand(clientDisableCommand(context, { name: "enable", disabled: false }))
    .addCommand(clientDeleteCommand(context));
}
