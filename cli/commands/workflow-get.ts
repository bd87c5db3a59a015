import { type Command, createCommand } from "commander";
import { WorkflowSchema } from "../../gen/antiphon/scheduler/v1/workflow_pb.ts";
import { plainDefinition } from "../../lib/plain-form/to-plain.ts";
import type { CommandContext } from "../command-context.ts";
import { nodeMarks } from "../graph.ts";
import { type FormatOption, show, showJson, withFormat } from "../output-format.ts";
import { openServer, type ServerOptions, withServer } from "../server-options.ts";
import { ago } from "../times.ts";
import { toYaml } from "../to-yaml.ts";
import { storedWorkflow } from "../workflow-reference.ts";

interface WorkflowGetOptions extends ServerOptions, FormatOption {
  readonly definition?: true;
}

/** `antiphon workflow get`: shows a stored definition. */
export function workflowGetCommand(context: CommandContext): Command {
  const command = createCommand("get")
    .description("show a stored definition")
    .argument("<workflow>", "its name (the newest is shown), its id, or the beginning of it")
    .option("--definition", "as a file that can be applied again; YAML, or JSON with -o json")
    .action(async (typed: string, options: WorkflowGetOptions) => {
      using antiphon = await openServer(options);
      const workflow = await storedWorkflow(antiphon, typed);
      const screen = context.screen();
      if (options.definition !== undefined) {
        const definition = plainDefinition(workflow);
        if (options.output === "json") return await showJson(screen, options, definition);
        return await screen.out(toYaml(definition));
      }
      const { workflowId, name, version, createdAt, dag } = workflow;
      await show(screen, options, {
        schema: WorkflowSchema,
        message: workflow,
        names: [workflowId],
        headings: ["WORKFLOW", workflowId],
        rows: [
          ["name", name],
          ["version", version],
          ["stored", ago(createdAt, new Date())],
          ...(dag?.nodes ?? []).map((node) => [
            `node ${node.id}`,
            [
              node.handler,
              node.dependencies.length === 0 ? "" : `after ${node.dependencies.join(", ")}`,
              ...nodeMarks(node),
            ]
              .filter((part) => part !== "")
              .join("; "),
          ]),
          ...(dag?.onFailure ? [["on failure", dag.onFailure]] : []),
        ],
      });
    });
  return withFormat(withServer(command));
}
