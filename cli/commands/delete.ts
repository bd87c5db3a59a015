import { type Command, createCommand, Option } from "commander";
import type { CommandContext } from "../command-context.ts";
import { CommandFailure } from "../command-failure.ts";
import { confirmed } from "../confirmed.ts";
import { eachId } from "../each-run.ts";
import { endedRuns } from "../ended-runs.ts";
import { exitCode } from "../exit-code.ts";
import { openServer, type ServerOptions, withServer } from "../server-options.ts";
import { completeId } from "../task-id.ts";
import { parseMoment } from "../time-option.ts";

interface DeleteOptions extends ServerOptions {
  readonly yes?: true;
  readonly force?: true;
  readonly endedBefore?: Date;
  readonly workflow?: string;
  readonly state?: readonly string[];
}

/** `antiphon delete`: removes runs that have ended, with all that they left; when forced, also some that go on. */
export function deleteCommand(context: CommandContext): Command {
  const command = createCommand("delete")
    .description("remove runs that have ended: their history, outputs, files and transcripts")
    .argument("[run...]", "their ids, or the beginnings of them")
    .option("--ended-before <time>", "all that ended before: a date, or how long ago (30d)", parseMoment)
    .option("--workflow <name>", "of those only runs of this workflow")
    .addOption(
      new Option("--state <state...>", "of those only these").choices(["completed", "failed", "cancelled"]),
    )
    .option("--force", "also runs that go on: they are cancelled first")
    .option("-y, --yes", "do not ask")
    .action(async (ids: readonly string[], options: DeleteOptions) => {
      if ((ids.length === 0) === (options.endedBefore === undefined)) {
        throw new CommandFailure("either runs or --ended-before must be given", {
          exitCode: exitCode.usage,
          reason: "USAGE",
          hint: "antiphon delete --help",
        });
      }
      using antiphon = await openServer(options);
      const { endedBefore, workflow, state, force = false } = options;
      const found =
        endedBefore === undefined ? ids : await endedRuns(antiphon, { endedBefore, workflow, state });
      const screen = context.screen();
      if (found.length === 0) return screen.note("no run ended before then");
      const what = found.length === 1 ? `run ${found[0]}` : `${found.length} runs`;
      if (!(await confirmed(context, `remove ${what} for good?`, options.yes === true))) return;
      await eachId({ ids: found, screen, context }, async (id) => {
        const runId = await completeId(antiphon, id);
        await antiphon.scheduler.deleteRun({ runId, force });
        await screen.line(`${runId} is removed`);
      });
    });
  return withServer(command);
}
