import { type Command, createCommand } from "commander";
import { shownClient } from "../client-rows.ts";
import type { CommandContext } from "../command-context.ts";
import { type FormatOption, show, withFormat } from "../output-format.ts";
import { managingAudiences, openServer, type ServerOptions, withServer } from "../server-options.ts";

/** `antiphon client get`: shows a client. */
export function clientGetCommand(context: CommandContext): Command {
  const command = createCommand("get")
    .description("show a client")
    .argument("<client>", "its id or uid")
    .action(async (clientId: string, options: ServerOptions & FormatOption) => {
      using antiphon = await openServer(options, managingAudiences);
      const { client } = await antiphon.auth.getClient({ clientId });
      if (client === undefined) throw new TypeError("the server answered no client");
      await show(context.screen(), options, shownClient(client));
    });
  return withFormat(withServer(command));
}
