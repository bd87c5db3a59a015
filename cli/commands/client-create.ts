import { type Command, createCommand, Option } from "commander";
import { CreateClientResponseSchema } from "../../gen/antiphon/auth/v1/auth_service_pb.ts";
import { audienceNames, audienceOf } from "../audience-name.ts";
import { clientRows } from "../client-rows.ts";
import type { CommandContext } from "../command-context.ts";
import { type FormatOption, show, withFormat } from "../output-format.ts";
import { scopeOption } from "../scope-option.ts";
import { managingAudiences, openServer, type ServerOptions, withServer } from "../server-options.ts";

interface CreateOptions extends ServerOptions, FormatOption<"table" | "json" | "yaml"> {
  readonly audience: string;
  readonly name?: string;
  readonly description?: string;
  readonly scope?: readonly string[];
}

/** `antiphon client create`: makes a client and shows its secret. */
export function clientCreateCommand(context: CommandContext): Command {
  const command = createCommand("create")
    .description("make a client, and show its secret this once")
    .argument("[id]", "what it calls itself; one is drawn if it is not given")
    .addOption(
      new Option("--audience <audience>", "what it is for").choices(audienceNames).default("tasks-api"),
    )
    .option("--name <name>", "for people")
    .option("--description <text>", "for people")
    .addOption(scopeOption("what its tokens may at most be used for; all if it is not given"))
    .action(async (clientId: string | undefined, options: CreateOptions) => {
      using antiphon = await openServer(options, managingAudiences);
      const answer = await antiphon.auth.createClient({
        clientId: clientId ?? "",
        audience: audienceOf(options.audience),
        name: options.name ?? "",
        description: options.description ?? "",
        scopes: [...(options.scope ?? [])],
      });
      if (answer.client === undefined) throw new TypeError("the server answered no client");
      await show(context.screen(), options, {
        schema: CreateClientResponseSchema,
        message: answer,
        names: [answer.client.clientId],
        headings: ["CLIENT", answer.client.clientId],
        rows: [["secret", answer.clientSecret], ...clientRows(answer.client)],
      });
    });
  // Ids alone would be without the secret, which is not shown again.
  return withFormat(withServer(command), ["table", "json", "yaml"]);
}
