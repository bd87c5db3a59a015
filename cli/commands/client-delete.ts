import { type Command, createCommand } from "commander";
import type { CommandContext } from "../command-context.ts";
import { confirmed } from "../confirmed.ts";
import { eachId } from "../each-run.ts";
import { managingAudiences, openServer, type ServerOptions, withServer } from "../server-options.ts";

/** `antiphon client delete`: ends clients. */
export function clientDeleteCommand(context: CommandContext): Command {
  const command = createCommand("delete")
    .description("end clients and all their tokens; what they started stays")
    .argument("<client...>", "ids or uids")
    .option("-y, --yes", "do not ask")
    .action(async (names: readonly string[], options: ServerOptions & { readonly yes?: true }) => {
      using antiphon = await openServer(options, managingAudiences);
      const screen = context.screen();
      const question = `delete ${names.length === 1 ? `client ${names[0]}` : `${names.length} clients`}?`;
      if (!(await confirmed(context, question, options.yes === true))) return;
      await eachId({ ids: names, screen, context }, async (clientId) => {
        await antiphon.auth.deleteClient({ clientId });
        await screen.line(`client ${clientId} is deleted`);
      });
    });
  return withServer(command);
}
