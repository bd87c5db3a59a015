import { create } from "@bufbuild/protobuf";
import type { Run } from "../gen/antiphon/scheduler/v1/run_pb.ts";
import { type Dag, DagSchema } from "../gen/antiphon/scheduler/v1/workflow_pb.ts";
import type { Antiphon } from "../sdk/typescript/antiphon.ts";
import { isNotFound } from "./failure-report.ts";

/** The DAG that a run executes. When its workflow is not to be had any more, its nodes without what they wait for. */
export async function definitionOfRun(antiphon: Antiphon, { workflowId, tasks }: Run): Promise<Dag> {
  const ofTasks = () =>
    create(DagSchema, {
      nodes: [...new Map(tasks.map(({ nodeId, handler }) => [nodeId, { id: nodeId, handler }])).values()],
    });
  if (workflowId === "") return ofTasks();
  try {
    const { workflow } = await antiphon.scheduler.getWorkflow({ workflowId });
    return workflow?.dag ?? ofTasks();
  } catch (error) {
    if (isNotFound(error)) return ofTasks();
    throw error;
  }
}
