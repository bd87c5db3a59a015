import { type Command, createCommand } from "commander";
import type { CommandContext } from "../command-context.ts";
import { CommandFailure } from "../command-failure.ts";
import { exitCode } from "../exit-code.ts";
import { reportLines, reportOf } from "../failure-report.ts";
import { openServer, type ServerOptions, withServer } from "../server-options.ts";
import { runStateWord } from "../state-word.ts";
import { completeId } from "../task-id.ts";

/** `antiphon cancel`: asks for the end of tasks and runs. Goes on after one that can not be; the last failure decides the exit code. */
export function cancelCommand(context: CommandContext): Command {
  const command = createCommand("cancel")
    .description("ask for the end of tasks and runs")
    .argument("<id...>", "their ids, or the beginnings of them")
    .action(async (ids: readonly string[], options: ServerOptions) => {
      using antiphon = await openServer(options);
      const screen = context.screen();
      for (const id of ids) {
        try {
          refuseNode(id);
          const { run } = await antiphon.scheduler.cancelRun({ runId: await completeId(antiphon, id) });
          if (run !== undefined) {
            await screen.line(
              `${run.runId} ${run.cancelRequested ? "is asked to end" : `is ${runStateWord(run.state)}`}`,
            );
          }
        } catch (error) {
          if (ids.length === 1) throw error;
          const report = reportOf(error);
          for (const line of reportLines(report)) await screen.err(`${line}\n`);
          context.endWith(report.exitCode);
        }
      }
    });
  return withServer(command);
}

function refuseNode(id: string): void {
  const [run, node] = id.split(".", 2);
  if (node === undefined) return;
  throw new CommandFailure(`${id} is one node of a run, which ends as a whole`, {
    exitCode: exitCode.usage,
    reason: "USAGE",
    hint: `antiphon cancel ${run}`,
  });
}
