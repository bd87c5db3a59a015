import { type Command, createCommand } from "commander";
import { ValidateWorkflowResponseSchema } from "../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import type { CommandContext } from "../command-context.ts";
import { exitCode } from "../exit-code.ts";
import { type FormatOption, show, withFormat } from "../output-format.ts";
import { openServer, type ServerOptions, withServer } from "../server-options.ts";
import { readWorkflowFile } from "../workflow-file.ts";

/** `antiphon workflow validate`: lists everything that is wrong with a definition, and stores nothing. */
export function workflowValidateCommand(context: CommandContext): Command {
  const command = createCommand("validate")
    .description("list everything that is wrong with a definition, and store nothing")
    .argument("<file>", "a JSON or YAML file; - is standard input")
    .action(async (file: string, options: ServerOptions & FormatOption) => {
      const { definition, placed } = await readWorkflowFile(file);
      const { name, dag, inputSchema } = definition;
      using antiphon = await openServer(options);
      const answer = await antiphon.scheduler.validateWorkflow({ name, inputSchema, ...(dag && { dag }) });
      const screen = context.screen();
      if (options.output === "table" && answer.faults.length === 0)
        await screen.note(`${file}: nothing is wrong with it`);
      else {
        await show(screen, options, {
          schema: ValidateWorkflowResponseSchema,
          message: answer,
          list: "faults",
          names: answer.faults.map(({ path }) => path),
          headings: ["PATH", "REASON", "FAULT"],
          rows: answer.faults.map(placed).map(({ path, reason, message }) => [path, reason, message]),
        });
      }
      if (answer.faults.length > 0) context.endWith(exitCode.failed);
    });
  return withFormat(withServer(command));
}
