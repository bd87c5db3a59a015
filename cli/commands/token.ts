import { type Command, createCommand, Option } from "commander";
import { audienceNames } from "../audience-name.ts";
import type { CommandContext } from "../command-context.ts";
import { openServer, type ServerOptions, withServer } from "../server-options.ts";

/** `antiphon token`: prints an access token, for curl and other callers. */
export function tokenCommand(context: CommandContext): Command {
  const command = createCommand("token")
    .description("print an access token, for calls by curl and other clients")
    .addOption(
      new Option("--audience <audience>", "of which of a local server's clients")
        .choices(audienceNames)
        .default("tasks-api"),
    )
    .action(async (options: ServerOptions & { readonly audience: string }) => {
      using antiphon = await openServer(options, [options.audience]);
      await context.screen().line(await antiphon.token());
    });
  return withServer(command);
}
