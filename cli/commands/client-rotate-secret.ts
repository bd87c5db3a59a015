import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { type Command, createCommand } from "commander";
import { RotateClientSecretResponseSchema } from "../../gen/antiphon/auth/v1/auth_service_pb.ts";
import { clientRows } from "../client-rows.ts";
import type { CommandContext } from "../command-context.ts";
import { parseDuration } from "../duration.ts";
import { type FormatOption, show, withFormat } from "../output-format.ts";
import { managingAudiences, openServer, type ServerOptions, withServer } from "../server-options.ts";

interface RotateOptions extends ServerOptions, FormatOption<"table" | "json" | "yaml"> {
  readonly grace?: number;
}

/** `antiphon client rotate-secret`: gives a client another secret and shows it. */
export function clientRotateSecretCommand(context: CommandContext): Command {
  const command = createCommand("rotate-secret")
    .description("give a client another secret, and show it this once")
    .argument("<client>", "its id or uid")
    .option("--grace <time>", "how long the secret before stays good; 24h if it is not given", parseDuration)
    .action(async (clientId: string, { grace, ...options }: RotateOptions) => {
      using antiphon = await openServer(options, managingAudiences);
      const answer = await antiphon.auth.rotateClientSecret({
        clientId,
        ...(grace !== undefined && { grace: durationFromMs(grace) }),
      });
      if (answer.client === undefined) throw new TypeError("the server answered no client");
      await show(context.screen(), options, {
        schema: RotateClientSecretResponseSchema,
        message: answer,
        names: [answer.client.clientId],
        headings: ["CLIENT", answer.client.clientId],
        rows: [["secret", answer.clientSecret], ...clientRows(answer.client)],
      });
    });
  // Ids alone would be without the secret, which is not shown again.
  return withFormat(withServer(command), ["table", "json", "yaml"]);
}
