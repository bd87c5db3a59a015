import { type Command, createCommand } from "commander";
import { shownClient } from "../client-rows.ts";
import type { CommandContext } from "../command-context.ts";
import { CommandFailure } from "../command-failure.ts";
import { exitCode } from "../exit-code.ts";
import { type FormatOption, show, withFormat } from "../output-format.ts";
import { scopeOption } from "../scope-option.ts";
import { managingAudiences, openServer, type ServerOptions, withServer } from "../server-options.ts";

interface UpdateOptions extends ServerOptions, FormatOption {
  readonly name?: string;
  readonly description?: string;
  readonly scope?: readonly string[];
}

/** `antiphon client update`: changes what the options name. */
export function clientUpdateCommand(context: CommandContext): Command {
  const command = createCommand("update")
    .description("change what the options name, and nothing else")
    .argument("<client>", "its id or uid")
    .option("--name <name>", "for people")
    .option("--description <text>", "for people")
    .addOption(scopeOption("what its tokens may at most be used for; what it loses is taken from its tokens"))
    .action(async (typed: string, { name, description, scope, ...options }: UpdateOptions) => {
      const given = {
        ...(name !== undefined && { name }),
        ...(description !== undefined && { description }),
        ...(scope !== undefined && { scopes: [...scope] }),
      };
      const paths = Object.keys(given);
      if (paths.length === 0) {
        throw new CommandFailure("nothing to change is named", {
          exitCode: exitCode.usage,
          reason: "USAGE",
          hint: "antiphon client update --help",
        });
      }
      using antiphon = await openServer(options, managingAudiences);
      // A change goes by the client's own id.
      const found = await antiphon.auth.getClient({ clientId: typed });
      const clientId = found.client?.clientId ?? typed;
      const { client } = await antiphon.auth.updateClient({
        client: { ...given, clientId },
        updateMask: { paths },
      });
      if (client === undefined) throw new TypeError("the server answered no client");
      await show(context.screen(), options, shownClient(client));
    });
  return withFormat(withServer(command));
}
