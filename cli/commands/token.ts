import { type Command, createCommand } from "commander";
import type { CommandContext } from "../command-context.ts";
import { openServer, type ServerOptions, withServer } from "../server-options.ts";

/** `antiphon token`: prints an access token, for curl and other callers. */
export function tokenCommand(context: CommandContext): Command {
  const command = createCommand("token")
    .description("print an access token, for calls by curl and other clients")
    .action(async (options: ServerOptions) => {
      using antiphon = await openServer(options);
      await context.screen().line(await antiphon.token());
    });
  return withServer(command);
}
