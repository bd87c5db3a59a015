import { type Command, createCommand } from "commander";
import { version } from "../services/all-in-one/version.ts";
import type { CommandContext } from "./command-context.ts";
import { attachCommand } from "./commands/attach.ts";
import { cancelCommand } from "./commands/cancel.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { getCommand } from "./commands/get.ts";
import { logsCommand } from "./commands/logs.ts";
import { lsCommand } from "./commands/ls.ts";
import { resultsCommand } from "./commands/results.ts";
import { runCommand } from "./commands/run.ts";
import { serveCommand } from "./commands/serve.ts";
import { tokenCommand } from "./commands/token.ts";
import { whoamiCommand } from "./commands/whoami.ts";
import { workersCommand } from "./commands/workers.ts";
import { workflowCommand } from "./commands/workflow.ts";
import { exitCodeHelp } from "./exit-code.ts";

/** The grammar of the command line. Throws `CommanderError` instead of ending the process. */
export function program(context: CommandContext): Command {
  const root = createCommand("antiphon")
    .description("Runs programs that talk: agent flows, Python programs and workflows of steps.")
    .version(version)
    .addHelpText("after", exitCodeHelp)
    .addCommand(runCommand(context))
    .addCommand(attachCommand(context))
    .addCommand(logsCommand(context))
    .addCommand(lsCommand(context))
    .addCommand(getCommand(context))
    .addCommand(cancelCommand(context))
    .addCommand(resultsCommand(context))
    .addCommand(workflowCommand(context))
    .addCommand(workersCommand(context))
    .addCommand(whoamiCommand(context))
    .addCommand(tokenCommand(context))
    .addCommand(serveCommand())
    .addCommand(doctorCommand(context));
  everyCommand(root, (command) => {
    // What is wrong with the line is reported as every other failure is.
    command.exitOverride().configureOutput({ outputError: () => {} });
  });
  return root;
}

function everyCommand(command: Command, visit: (command: Command) => void): void {
  visit(command);
  for (const child of command.commands) everyCommand(child, visit);
}
