import { type Command, createCommand } from "commander";
import { WhoAmIResponseSchema } from "../../gen/antiphon/auth/v1/auth_service_pb.ts";
import { audienceName } from "../audience-name.ts";
import type { CommandContext } from "../command-context.ts";
import { type FormatOption, show, withFormat } from "../output-format.ts";
import { openServer, type ServerOptions, withServer } from "../server-options.ts";

/** `antiphon whoami`: tells which client the commands call as. */
export function whoamiCommand(context: CommandContext): Command {
  const command = createCommand("whoami")
    .description("tell which client the commands call as")
    .action(async (options: ServerOptions & FormatOption) => {
      using antiphon = await openServer(options);
      const answer = await antiphon.auth.whoAmI({});
      const { clientId = "", name = "", audience = 0 } = answer.client ?? {};
      await show(context.screen(), options, {
        schema: WhoAmIResponseSchema,
        message: answer,
        names: [clientId],
        headings: ["CLIENT", "NAME", "AUDIENCE", "SCOPES"],
        rows: [[clientId, name, audienceName(audience), answer.scopes.join(" ")]],
      });
    });
  return withFormat(withServer(command));
}
