/*
 * The routes of seed 003: a workflow is sent, which stores it with a run that
 * waits, and the run is started by its id. An `execution_id` is a run's id.
 */
import { z } from "zod";
import { RunState } from "../../../../gen/antiphon/scheduler/v1/run_pb.ts";
import { idempotencyKeyOf } from "../../http/idempotency-key.ts";
import { type HttpRoute, httpRoute } from "../../http/route.ts";
import { engineStatus, engineStatuses } from "../status-names.ts";
import { definitionBody, definitionOf, maxDefinitionBytes } from "./definition.ts";
import { named, refusalResponse, valid } from "./engine-refusal.ts";
import { outputsOf } from "./run-outputs.ts";
import { startFields, startOptions } from "./start-options.ts";
import { change, look } from "./workflow-access.ts";

const tag = "Workflow executions";

const params = z.object({ execution_id: z.string() });
const executionId = z.uuid().describe("The id of the run.");
const unknown = refusalResponse("The caller has no such execution.");

/** Submit, trigger, status and results, as seed 003 has them. */
export function executionRoutes(): readonly HttpRoute[] {
  return [submitRoute(), triggerRoute(), statusRoute(), resultsRoute()];
}

function submitRoute(): HttpRoute {
  return httpRoute({
    method: "POST",
    path: "/workflow",
    access: change,
    anonymous: "local",
    tag,
    summary: "Stores a workflow and a run of it that waits to be triggered",
    description:
      "A repeat with the same `Idempotency-Key` answers the same execution. Fields that are not known are left out.",
    style: "waldiez",
    body: {
      kinds: ["json"],
      schema: definitionBody.extend(startOptions),
      maxBytes: maxDefinitionBytes,
    },
    headers: ["Idempotency-Key"],
    responses: {
      200: {
        description: "It is stored.",
        schema: z.object({ execution_id: executionId, message: z.literal("Workflow accepted") }),
      },
      400: refusalResponse("The workflow can not be carried out; all faults are named."),
    },
    async handle({ body, headers, clients: { scheduler } }) {
      const { run } = await valid(
        scheduler.startRun({
          workflow: definitionOf({ ...body, dag: { ...body.dag, nodes: body.dag.nodes.map(answering) } }),
          ...startFields(body),
          hold: true,
          requestId: idempotencyKeyOf(headers),
        }),
      );
      return { status: 200, body: { execution_id: run?.runId ?? "", message: "Workflow accepted" } };
    },
  });
}

/** A `noop` that is given nothing to answer says that it was there: clients look for it by `{{ B.status }}`. */
function answering<Node extends { readonly handler: string; readonly config?: object | null | undefined }>(
  node: Node,
): Node {
  const isSilent = node.handler === "noop" && Object.keys(node.config ?? {}).length === 0;
  return isSilent ? { ...node, config: { status: "ok" } } : node;
}

function triggerRoute(): HttpRoute {
  return httpRoute({
    method: "POST",
    path: "/workflow/trigger/:execution_id",
    access: change,
    anonymous: "local",
    tag,
    summary: "Starts an execution",
    description: "Once it has been started, triggering it again changes nothing.",
    style: "waldiez",
    params,
    responses: {
      200: {
        description: "It has been started, now or before.",
        schema: z.object({ message: z.literal("Workflow triggered"), execution_id: executionId }),
      },
      404: unknown,
    },
    async handle({ params: { execution_id: runId }, clients: { scheduler } }) {
      const { run } = await named("Execution ID", scheduler.getRun({ runId }));
      if (run?.state === RunState.PENDING) {
        // By its own name the trigger takes effect once, and none that comes late resumes a run that was paused meanwhile.
        await named("Execution ID", scheduler.resumeRun({ runId, requestId: `trigger-${runId}` }));
      }
      return { status: 200, body: { message: "Workflow triggered", execution_id: runId } };
    },
  });
}

function statusRoute(): HttpRoute {
  return httpRoute({
    method: "GET",
    path: "/workflows/:execution_id",
    access: look,
    anonymous: "local",
    tag,
    summary: "Tells where an execution stands",
    style: "waldiez",
    params,
    responses: {
      200: {
        description: "A cancelled execution counts as failed, a paused one as running.",
        schema: z.object({ execution_id: executionId, status: z.enum(engineStatuses) }),
      },
      404: unknown,
    },
    async handle({ params: { execution_id: runId }, clients: { scheduler } }) {
      const { run } = await named("Execution ID", scheduler.getRun({ runId }));
      const status = engineStatus(run?.state ?? RunState.UNSPECIFIED);
      return { status: 200, body: { execution_id: runId, status } };
    },
  });
}

function resultsRoute(): HttpRoute {
  return httpRoute({
    method: "GET",
    path: "/workflows/:execution_id/results",
    access: look,
    anonymous: "local",
    tag,
    summary: "Answers what the nodes of an execution gave",
    description: "While it is carried out, of the nodes that have completed by then.",
    style: "waldiez",
    params,
    responses: {
      200: {
        description: "The outputs by node.",
        schema: z.object({ execution_id: executionId, results: z.record(z.string(), z.unknown()) }),
      },
      404: unknown,
      413: refusalResponse("The outputs have more than 7 MiB together."),
    },
    async handle({ params: { execution_id: runId }, clients: { scheduler } }) {
      const found = await named("Execution ID", scheduler.getRunResults({ runId }));
      return { status: 200, body: { execution_id: runId, results: outputsOf(found) } };
    },
  });
}
