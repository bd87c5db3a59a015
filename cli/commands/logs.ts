import { type Command, createCommand } from "commander";
import { type Antiphon, transcriptEvent } from "../../sdk/typescript/antiphon.ts";
import type { CommandContext } from "../command-context.ts";
import { refuseWorkflow } from "../refuse-workflow.ts";
import { openServer, type ServerOptions, withServer } from "../server-options.ts";
import { completeId } from "../task-id.ts";
import { TranscriptPrinter } from "../transcript-printer.ts";

interface LogsOptions extends ServerOptions {
  readonly follow?: true;
  readonly raw?: true;
  readonly after?: string;
}

/** `antiphon logs`: shows what a task wrote, asked and was told, and asks nothing. */
export function logsCommand(context: CommandContext): Command {
  const command = createCommand("logs")
    .description("show what a task wrote, asked and was told so far")
    .argument("<id>", "a task's id, or the beginning of it; RUN.NODE for one node of a run")
    .option("-f, --follow", "go on until it ends")
    .option("--raw", "only the bytes that the program wrote")
    .option("--after <cursor>", "only what comes after this cursor, such as 1-17")
    .action(async (id: string, options: LogsOptions) => {
      using antiphon = await openServer(options);
      const screen = context.screen();
      const printer = new TranscriptPrinter(screen, { raw: options.raw === true });
      const taskId = await completeId(antiphon, id);
      await refuseWorkflow(antiphon, { id: taskId, command: "logs" });
      const { after = "" } = options;
      if (options.follow === undefined) return await printSoFar(antiphon, { taskId, after, printer });
      for await (const event of antiphon.task(taskId).attach({ after })) {
        if (event.kind === "reconnecting") await screen.note("the connection is lost; reconnecting");
        else if ("cursor" in event) await printer.print(event);
      }
    });
  return withServer(command);
}

async function printSoFar(
  antiphon: Antiphon,
  {
    taskId,
    after,
    printer,
  }: { readonly taskId: string; readonly after: string; readonly printer: TranscriptPrinter },
): Promise<void> {
  let cursor = after;
  for (;;) {
    const page = await antiphon.taskio.getTranscript({ taskId, after: cursor, pageSize: 1_000 });
    if (page.entries.length === 0) return;
    for (const entry of page.entries) {
      const event = transcriptEvent(entry);
      if (event !== undefined) await printer.print(event);
    }
    cursor = page.nextAfter;
  }
}
