import { timestampDate } from "@bufbuild/protobuf/wkt";
import { type Command, createCommand } from "commander";
import { type Workflow, WorkflowSchema } from "../../gen/antiphon/scheduler/v1/workflow_pb.ts";
import type { CommandContext } from "../command-context.ts";
import { type FormatOption, showJson, withFormat } from "../output-format.ts";
import { readableJson } from "../readable-json.ts";
import { openServer, type ServerOptions, withServer } from "../server-options.ts";
import { withPlaces } from "../workflow-faults.ts";
import { readWorkflowFile } from "../workflow-file.ts";

/** `antiphon workflow apply`: stores a definition, and tells whether it was stored before. */
export function workflowApplyCommand(context: CommandContext): Command {
  const command = createCommand("apply")
    .description("store a definition, so that it can be run by its name; tells its version")
    .argument("<file>", "a JSON or YAML file; - is standard input")
    .action(async (file: string, options: ServerOptions & FormatOption) => {
      const { definition, placed } = await readWorkflowFile(file);
      const { name, dag, inputSchema } = definition;
      const request = { name, inputSchema, ...(dag && { dag }) };
      using antiphon = await openServer(options);
      const isNew = await newTo(antiphon.scheduler, name);
      const { workflow } = await withPlaces(placed, () => antiphon.scheduler.createWorkflow(request));
      if (workflow === undefined) throw new TypeError("the server answered no workflow");
      const screen = context.screen();
      if (options.output === "name") return screen.line(workflow.workflowId);
      if (options.output !== "table")
        return showJson(screen, options, readableJson(WorkflowSchema, workflow));
      const { version, workflowId } = workflow;
      await screen.line(
        `workflow ${name} ${isNew(workflow) ? "created" : "unchanged"}, version ${version.slice(0, 12)}, id ${workflowId}`,
      );
    });
  return withFormat(withServer(command));
}

/** Tells of a stored workflow whether it is younger than all that had the name before. */
async function newTo(
  scheduler: {
    listWorkflows: (request: { name: string; pageSize: number }) => Promise<{ workflows: Workflow[] }>;
  },
  name: string,
): Promise<(workflow: Workflow) => boolean> {
  const { workflows } = await scheduler.listWorkflows({ name, pageSize: 1 });
  const [newest] = workflows;
  const before = newest?.createdAt === undefined ? undefined : timestampDate(newest.createdAt);
  return ({ createdAt, workflowId }) => {
    if (before === undefined || createdAt === undefined) return true;
    return workflowId !== newest?.workflowId && timestampDate(createdAt) > before;
  };
}
