import { type Command, createCommand, Option } from "commander";
import { ListClientsResponseSchema } from "../../gen/antiphon/auth/v1/auth_service_pb.ts";
import { audienceName, audienceNames, audienceOf } from "../audience-name.ts";
import type { CommandContext } from "../command-context.ts";
import { wholeNumber } from "../number-option.ts";
import { type FormatOption, show, withFormat } from "../output-format.ts";
import { managingAudiences, openServer, type ServerOptions, withServer } from "../server-options.ts";
import { ago } from "../times.ts";

interface ListOptions extends ServerOptions, FormatOption {
  readonly text?: string;
  readonly audience?: readonly string[];
  readonly limit: number;
  readonly pageToken?: string;
}

/** `antiphon client list`: lists clients, oldest first. */
export function clientListCommand(context: CommandContext): Command {
  const command = createCommand("list")
    .description("list clients, oldest first")
    .option("--text <text>", "those with this in id, name or description")
    .addOption(new Option("--audience <audience...>", "those that are for these").choices(audienceNames))
    .option("--limit <count>", "how many at most", wholeNumber(1, 1_000), 50)
    .option("--page-token <token>", "go on where the page before ended")
    .action(async (options: ListOptions) => {
      using antiphon = await openServer(options, managingAudiences);
      const page = await antiphon.auth.listClients({
        text: options.text ?? "",
        audiences: (options.audience ?? []).map(audienceOf),
        pageSize: options.limit,
        pageToken: options.pageToken ?? "",
      });
      const screen = context.screen();
      const now = new Date();
      await show(screen, options, {
        schema: ListClientsResponseSchema,
        message: page,
        list: "clients",
        names: page.clients.map(({ clientId }) => clientId),
        headings: ["CLIENT", "NAME", "AUDIENCE", "SCOPES", "STATE", "CREATED"],
        rows: page.clients.map((client) => [
          client.clientId,
          client.name,
          audienceName(client.audience),
          client.scopes.join(" "),
          client.disabled ? "disabled" : "active",
          ago(client.createdAt, now),
        ]),
      });
      if (options.output === "table" && page.nextPageToken !== "") {
        await screen.note(`more: the same with --page-token ${page.nextPageToken}`);
      }
    });
  return withFormat(withServer(command));
}
