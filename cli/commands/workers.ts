import { type Command, createCommand } from "commander";
import { ListWorkersResponseSchema } from "../../gen/antiphon/worker/v1/worker_service_pb.ts";
import type { CommandContext } from "../command-context.ts";
import { type FormatOption, show, withFormat } from "../output-format.ts";
import { openServer, type ServerOptions, withServer } from "../server-options.ts";
import { ago } from "../times.ts";

/** `antiphon workers`: lists who carries out tasks. */
export function workersCommand(context: CommandContext): Command {
  const command = createCommand("workers")
    .description("list the workers and what they can carry out")
    .action(async (options: ServerOptions & FormatOption) => {
      using antiphon = await openServer(options);
      const answer = await antiphon.workers.listWorkers({ pageSize: 1_000 });
      const now = new Date();
      await show(context.screen(), options, {
        schema: ListWorkersResponseSchema,
        message: answer,
        list: "workers",
        names: answer.workers.map(({ workerId }) => workerId),
        headings: ["ID", "ALIVE", "HELD", "SLOTS", "SANDBOX", "SEEN", "HANDLERS"],
        rows: answer.workers.map(({ workerId, alive, held, slots, sandbox, lastSeenAt, handlers }) => [
          workerId,
          alive ? "yes" : "no",
          String(held),
          String(slots),
          sandbox === "" ? "none" : sandbox,
          ago(lastSeenAt, now),
          handlers.join(", "),
        ]),
      });
    });
  return withFormat(withServer(command));
}
