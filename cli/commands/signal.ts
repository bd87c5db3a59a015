import { type Command, createCommand } from "commander";
import type { CommandContext } from "../command-context.ts";
import { jsonArgument } from "../input-option.ts";
import { type RequestIdOption, requestIdOption } from "../request-id-option.ts";
import { openServer, type ServerOptions, withServer } from "../server-options.ts";
import { completeId } from "../task-id.ts";

/** `antiphon signal`: sends a value to a node that waits for it. */
export function signalCommand(context: CommandContext): Command {
  const command = createCommand("signal")
    .description("send a value to the wait_for_signal node that waits for it, or is the next to do so")
    .argument("<run>", "the run's id, or the beginning of it")
    .argument("<name>", "the name that the node waits for")
    .argument("[json]", "the value, or @FILE; null when not given", jsonArgument)
    .addOption(requestIdOption())
    .action(
      async (
        id: string,
        name: string,
        value: (() => Promise<unknown>) | undefined,
        options: ServerOptions & RequestIdOption,
      ) => {
        const payload = await value?.();
        using antiphon = await openServer(options);
        const runId = await completeId(antiphon, id);
        await antiphon.scheduler.signalRun({
          runId,
          name,
          requestId: options.requestId ?? "",
          ...(payload !== undefined && { payload: Buffer.from(JSON.stringify(payload)) }),
        });
        await context.screen().line(`${runId} has the signal ${name}`);
      },
    );
  return withServer(command);
}
