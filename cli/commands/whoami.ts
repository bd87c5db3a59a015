import { type Command, createCommand } from "commander";
import { WhoAmIResponseSchema } from "../../gen/antiphon/auth/v1/auth_service_pb.ts";
import { AudienceSchema } from "../../gen/antiphon/auth/v1/client_pb.ts";
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
      const audienceName = AudienceSchema.value[audience as 0]?.name ?? "";
      await show(context.screen(), options, {
        schema: WhoAmIResponseSchema,
        message: answer,
        names: [clientId],
        headings: ["CLIENT", "NAME", "AUDIENCE"],
        rows: [[clientId, name, audienceName.replace("AUDIENCE_", "").replaceAll("_", "-").toLowerCase()]],
      });
    });
  return withFormat(withServer(command));
}
