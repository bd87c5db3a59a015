import type { Antiphon } from "../sdk/typescript/antiphon.ts";
import { CommandFailure } from "./command-failure.ts";
import { exitCode } from "./exit-code.ts";

/** So many nodes are named as examples. */
const mostNodes = 3;

/** Refuses, for a command that shows one task, the id of a workflow's run, which has no output of its own. Throws what the server says of an id that there is no run of. */
export async function refuseWorkflow(
  antiphon: Antiphon,
  { id, command }: { readonly id: string; readonly command: "attach" | "logs" },
): Promise<void> {
  if (id.includes(".")) return;
  const { run } = await antiphon.scheduler.getRun({ runId: id });
  if (run === undefined || run.workflowId === "") return;
  const nodes = [...new Set(run.tasks.map(({ nodeId }) => nodeId))];
  const named = [...nodes.slice(0, mostNodes), ...(nodes.length > mostNodes ? ["…"] : [])].join(", ");
  throw new CommandFailure(`${id} is a run of the workflow ${run.name}`, {
    exitCode: exitCode.usage,
    reason: "USAGE",
    hint: `antiphon runs watch ${id} shows it; antiphon ${command} ${id}.NODE one of its tasks${named === "" ? "" : ` (${named})`}`,
  });
}
