import { type Command, createCommand } from "commander";
import type { Antiphon } from "../../sdk/typescript/antiphon.ts";
import { awaitedSignals } from "../awaited-signals.ts";
import type { CommandContext } from "../command-context.ts";
import { jsonArgument } from "../input-option.ts";
import { type RequestIdOption, requestIdOption } from "../request-id-option.ts";
import { definitionOfRun } from "../run-definition.ts";
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
        const screen = context.screen();
        await screen.line(`${runId} has the signal ${name}`);
        const hint = await unawaited(antiphon, { runId, name });
        if (hint !== undefined) await screen.note(`hint: ${hint}`);
      },
    );
  return withServer(command);
}

/** That no node of the run's definition waits for a signal; undefined when one may. The signal is sent already, so nothing that fails here counts. */
async function unawaited(
  antiphon: Antiphon,
  { runId, name }: { readonly runId: string; readonly name: string },
): Promise<string | undefined> {
  try {
    const { run } = await antiphon.scheduler.getRun({ runId });
    if (run === undefined) return undefined;
    const awaited = awaitedSignals(await definitionOfRun(antiphon, run));
    if (awaited === undefined || awaited.includes(name)) return undefined;
    const others =
      awaited.length === 0 ? "for any signal" : `for it, but for ${[...new Set(awaited)].join(", ")}`;
    return `no node of ${run.name} waits ${others}`;
  } catch {
    return undefined;
  }
}
