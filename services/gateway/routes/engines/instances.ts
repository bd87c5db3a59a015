/*
 * The routes of seed 004 about instances, which are the runs of stored
 * workflows.
 */
import { z } from "zod";
import { type Run, RunState } from "../../../../gen/antiphon/scheduler/v1/run_pb.ts";
import type { Task } from "../../../../gen/antiphon/scheduler/v1/task_pb.ts";
import { HttpRefusal } from "../../http/http-refusal.ts";
import { type HttpRoute, httpRoute } from "../../http/route.ts";
import {
  engineNodeStatus,
  engineNodeStatuses,
  engineStatus,
  engineStatuses,
  runStatesOf,
} from "../status-names.ts";
import { named, refusalResponse } from "./engine-refusal.ts";
import { epochSeconds } from "./epoch-seconds.ts";
import { pageBody, pageQuery } from "./page.ts";
import { outputsOf } from "./run-outputs.ts";
import { look } from "./workflow-access.ts";

const tag = "Workflow instances";

const params = z.object({ instance_id: z.string() });
const unknown = refusalResponse("The caller has no such instance.");

const status = z.enum(engineStatuses);
const seconds = z.number().nullable();

const instance = z.object({
  instance_id: z.uuid(),
  workflow_id: z.uuid().describe("The same, by its older name."),
  execution_id: z.string().describe("The definition that it carries out."),
  name: z.string(),
  status: status.describe("A cancelled instance counts as failed, a paused one as running."),
  state: status.describe("The same, by its older name."),
  created_at: seconds.describe("In seconds since 1970."),
  completed_at: seconds.describe("When it ended, in seconds since 1970; null before."),
});

const nodeResult = z.object({
  status: z.enum(engineNodeStatuses),
  attempt: z.int(),
  result: z.unknown().optional().describe("What it gave; there when it has completed."),
  error: z.string().optional().describe("Why it failed or was not carried out."),
});

/** Listing, status and results of instances, below a prefix. */
export function instanceRoutes(prefix: string): readonly HttpRoute[] {
  return [listRoute(prefix), statusRoute(prefix), resultsRoute(prefix)];
}

function listRoute(prefix: string): HttpRoute {
  return httpRoute({
    method: "GET",
    path: `${prefix}/workflows`,
    access: look,
    anonymous: "local",
    tag,
    summary: "Lists instances, the newest first",
    description: "A page may have fewer than were asked for, or none, while there is a next one.",
    style: "waldiez",
    query: z.object({
      ...pageQuery,
      status: status.optional().describe("Only those that stand there."),
      execution_id: z.string().optional().describe("Only those of this definition."),
    }),
    responses: { 200: { description: "A page.", schema: pageBody(instance) } },
    async handle({ query, clients: { scheduler } }) {
      const { runs, nextPageToken } = await scheduler.listRuns({
        pageSize: query.page_size,
        pageToken: query.page_token,
        states: query.status === undefined ? [] : runStatesOf(query.status),
        workflowId: query.execution_id ?? "",
      });
      // A submitted program is a run, but of no workflow.
      const items = runs.filter(({ workflowId }) => workflowId !== "").map(instanceOf);
      return { status: 200, body: { items, next_page_token: nextPageToken } };
    },
  });
}

function statusRoute(prefix: string): HttpRoute {
  return httpRoute({
    method: "GET",
    path: `${prefix}/workflows/:instance_id`,
    access: look,
    anonymous: "local",
    tag,
    summary: "Tells where an instance stands",
    style: "waldiez",
    params,
    responses: { 200: { description: "The instance.", schema: instance }, 404: unknown },
    async handle({ params: { instance_id: runId }, clients: { scheduler } }) {
      const { run } = await named("Running workflow instance", scheduler.getRun({ runId }));
      return { status: 200, body: instanceOf(found(run)) };
    },
  });
}

function resultsRoute(prefix: string): HttpRoute {
  return httpRoute({
    method: "GET",
    path: `${prefix}/workflows/:instance_id/results`,
    access: look,
    anonymous: "local",
    tag,
    summary: "Answers what became of each node, once the instance has ended",
    style: "waldiez",
    params,
    responses: {
      200: {
        description: "The results by node.",
        schema: z.object({
          instance_id: z.uuid(),
          workflow_id: z.uuid(),
          status,
          results: z.record(z.string(), nodeResult),
          completed_at: seconds,
        }),
      },
      400: refusalResponse("It has not ended."),
      404: unknown,
      413: refusalResponse("The outputs have more than 7 MiB together."),
    },
    async handle({ params: { instance_id: runId }, clients: { scheduler } }) {
      const { run } = await named("Execution", scheduler.getRun({ runId }));
      const { instance_id, workflow_id, status, completed_at } = instanceOf(found(run));
      if (completed_at === null) {
        throw new HttpRefusal(400, "Workflow not finished", { reason: "NOT_ENDED" });
      }
      const outputs = outputsOf(await named("Execution", scheduler.getRunResults({ runId })));
      const nodes = found(run).tasks.filter(({ taskId, nodeId }) => taskId === `${runId}.${nodeId}`);
      const results = Object.fromEntries(nodes.map((task) => [task.nodeId, resultOf(task, outputs)]));
      return { status: 200, body: { instance_id, workflow_id, status, results, completed_at } };
    },
  });
}

function instanceOf({ runId, workflowId, name, state, createdAt, endedAt }: Run): z.output<typeof instance> {
  return {
    instance_id: runId,
    workflow_id: runId,
    execution_id: workflowId,
    name,
    status: engineStatus(state),
    state: engineStatus(state),
    created_at: epochSeconds(createdAt),
    completed_at: epochSeconds(endedAt),
  };
}

function resultOf(
  { nodeId, state, attempt, failure }: Task,
  outputs: Readonly<Record<string, unknown>>,
): z.output<typeof nodeResult> {
  return {
    status: engineNodeStatus(state),
    attempt,
    ...(nodeId in outputs && { result: outputs[nodeId] }),
    ...(failure && { error: `${failure.reason}: ${failure.message}` }),
  };
}

function found(run: Run | undefined): Run {
  if (run === undefined || run.state === RunState.UNSPECIFIED) {
    throw new TypeError("the scheduler answered no run");
  }
  return run;
}
