/*
 * The command line: data on standard output, chatter and errors on standard
 * error, and an exit code that says how it went (`exit-code.ts`).
 */
import { CommanderError } from "commander";
import { processContext } from "./command-context.ts";
import { exitCode } from "./exit-code.ts";
import { reportJson, reportLines, reportOf } from "./failure-report.ts";
import { program } from "./program.ts";
import { type ServerOptions, serverUrl } from "./server-options.ts";

// `antiphon ls | head` ends quietly when head has seen enough.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(exitCode.outputClosed);
});

let called: ServerOptions = {};
try {
  await program(processContext())
    .hook("preAction", (_program, command) => {
      called = command.opts<ServerOptions>();
    })
    .parseAsync();
} catch (error) {
  if (error instanceof CommanderError && error.exitCode === 0) process.exitCode = exitCode.ok;
  else if (error instanceof CommanderError && error.code === "commander.help")
    process.exitCode = exitCode.usage;
  else {
    const report = reportOf(error, await serverUrl(called));
    const said = wantsJson(process.argv) ? reportJson(report) : reportLines(report).join("\n");
    process.stderr.write(`${said}\n`);
    process.exitCode = report.exitCode;
  }
}

/** Whether `-o json` stands on the line, which may be one that cannot be read otherwise. */
function wantsJson(line: readonly string[]): boolean {
  const end = line.indexOf("--");
  const options = end === -1 ? line : line.slice(0, end);
  return options.some(
    (option, index) =>
      option === "-ojson" ||
      option === "--output=json" ||
      (option === "json" && ["-o", "--output"].includes(options[index - 1] ?? "")),
  );
}
