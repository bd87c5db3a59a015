import { type Command, createCommand } from "commander";
import type { CommandContext } from "../command-context.ts";
import { eachId } from "../each-run.ts";
import { managingAudiences, openServer, type ServerOptions, withServer } from "../server-options.ts";

/** `antiphon client disable` and `enable`. */
export function clientDisableCommand(
  context: CommandContext,
  { name, disabled }: { readonly name: "disable" | "enable"; readonly disabled: boolean },
): Command {
  const command = createCommand(name)
    .description(
      disabled
        ? "refuse clients and all their tokens at once, until they are enabled"
        : "let clients get tokens again",
    )
    .argument("<client...>", "ids or uids")
    .action(async (names: readonly string[], options: ServerOptions) => {
      using antiphon = await openServer(options, managingAudiences);
      const screen = context.screen();
      await eachId({ ids: names, screen, context }, async (typed) => {
        const found = await antiphon.auth.getClient({ clientId: typed });
        const clientId = found.client?.clientId ?? typed;
        await antiphon.auth.updateClient({
          client: { clientId, disabled },
          updateMask: { paths: ["disabled"] },
        });
        await screen.line(`client ${clientId} is ${disabled ? "disabled" : "enabled"}`);
      });
    });
  return withServer(command);
}
