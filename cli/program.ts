import { type Command, createCommand } from "commander";
import { version } from "../services/all-in-one/version.ts";
import type { CommandContext } from "./command-context.ts";
import { answerCommand } from "./commands/answer.ts";
import { attachCommand } from "./commands/attach.ts";
import { cancelCommand } from "./commands/cancel.ts";
import { clientCommand } from "./commands/client.ts";
import { deleteCommand } from "./commands/delete.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { eventsCommand } from "./commands/events.ts";
import { getCommand } from "./commands/get.ts";
import { logsCommand } from "./commands/logs.ts";
import { pauseCommand, resumeCommand } from "./commands/pause.ts";
import { rerunCommand } from "./commands/rerun.ts";
import { resultsCommand } from "./commands/results.ts";
import { runCommand } from "./commands/run.ts";
import { runsCommand } from "./commands/runs.ts";
import { runsListCommand } from "./commands/runs-list.ts";
import { scheduleCommand } from "./commands/schedule.ts";
import { serveCommand } from "./commands/serve.ts";
import { signalCommand } from "./commands/signal.ts";
import { taskCommand } from "./commands/task.ts";
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
    .commandsGroup("Programs:")
    .addCommand(runCommand(context))
    .addCommand(attachCommand(context))
    .addCommand(logsCommand(context))
    .addCommand(answerCommand(context))
    .commandsGroup("Workflows:")
    .addCommand(workflowCommand(context))
    .addCommand(scheduleCommand(context))
    .addCommand(signalCommand(context))
    .commandsGroup("Tasks and runs:")
    .addCommand(runsListCommand(context, "ls"))
    .addCommand(getCommand(context))
    .addCommand(runsCommand(context))
    .addCommand(taskCommand(context))
    .addCommand(eventsCommand(context))
    .addCommand(resultsCommand(context))
    .addCommand(cancelCommand(context))
    .addCommand(pauseCommand(context))
    .addCommand(resumeCommand(context))
    .addCommand(rerunCommand(context))
    .addCommand(deleteCommand(context))
    .commandsGroup("The server:")
    .addCommand(workersCommand(context))
    .addCommand(whoamiCommand(context))
    .addCommand(tokenCommand(context))
    .addCommand(clientCommand(context))
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
