/*
 * The routes of seed 004 about definitions: one is stored, and started as often
 * as it is triggered. An `execution_id` is the id of a stored workflow.
 */
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { z } from "zod";
import type { Workflow } from "../../../../gen/antiphon/scheduler/v1/workflow_pb.ts";
import { plainDefinition } from "../../../../lib/plain-form/to-plain.ts";
import { idempotencyKeyOf } from "../../http/idempotency-key.ts";
import { type HttpRoute, httpRoute } from "../../http/route.ts";
import { definitionBody, definitionOf, maxDefinitionBytes } from "./definition.ts";
import { named, refusalResponse, valid } from "./engine-refusal.ts";
import { epochSeconds } from "./epoch-seconds.ts";
import { pageBody, pageQuery } from "./page.ts";
import { startFields, startOptions } from "./start-options.ts";
import { change, look } from "./workflow-access.ts";

const tag = "Workflows";

const params = z.object({ execution_id: z.string() });
const executionId = z.uuid().describe("The id of the definition.");
const unknown = refusalResponse("The caller has no such definition.");

const metadata = {
  execution_id: executionId,
  name: z.string(),
  version: z.string().describe("The digest of its content."),
  created_at: z.number().nullable().describe("When it was stored, in seconds since 1970."),
};

const shownBody = z.object({
  name: z.string(),
  dag: z.object({ nodes: z.array(z.record(z.string(), z.unknown())), on_failure: z.string().optional() }),
  input_schema: z.unknown().optional(),
});

/** Register, trigger, list and look at definitions, below a prefix. */
export function definitionRoutes(prefix: string): readonly HttpRoute[] {
  return [registerRoute(prefix), triggerRoute(prefix), listRoute(prefix), metadataRoute(prefix)];
}

function registerRoute(prefix: string): HttpRoute {
  return httpRoute({
    method: "POST",
    path: `${prefix}/workflow`,
    access: change,
    anonymous: "local",
    tag,
    summary: "Stores a workflow",
    description: "The same content is stored once and has one id. Fields that are not known are left out.",
    style: "waldiez",
    body: { kinds: ["json"], schema: definitionBody, maxBytes: maxDefinitionBytes },
    headers: ["Idempotency-Key"],
    responses: {
      200: { description: "It is stored.", schema: z.object({ execution_id: executionId }) },
      400: refusalResponse("The workflow can not be carried out; all faults are named."),
    },
    async handle({ body, headers, clients: { scheduler } }) {
      const { name, dag, inputSchema } = definitionOf(body);
      const requestId = idempotencyKeyOf(headers);
      const { workflow } = await valid(
        scheduler.createWorkflow({ name, inputSchema, requestId, ...(dag && { dag }) }),
      );
      return { status: 200, body: { execution_id: workflow?.workflowId ?? "" } };
    },
  });
}

function triggerRoute(prefix: string): HttpRoute {
  return httpRoute({
    method: "POST",
    path: `${prefix}/workflow/trigger/:execution_id`,
    access: change,
    anonymous: "local",
    tag,
    summary: "Starts a new instance of a workflow",
    description: "Each time another one, but for a repeat with the same `Idempotency-Key`.",
    style: "waldiez",
    params,
    body: {
      kinds: ["json"],
      optional: true,
      schema: z.object(startOptions).nullish(),
      maxBytes: 256 * 1024,
    },
    headers: ["Idempotency-Key"],
    responses: {
      200: { description: "It is started.", schema: z.object({ instance_id: z.uuid() }) },
      400: refusalResponse("The input is not as the workflow wants it."),
      404: unknown,
    },
    async handle({ params, body, headers, clients: { scheduler } }) {
      const start = scheduler.startRun({
        workflowId: params.execution_id,
        ...startFields(body ?? {}),
        requestId: idempotencyKeyOf(headers),
      });
      const { run } = await named("Workflow definition", valid(start));
      return { status: 200, body: { instance_id: run?.runId ?? "" } };
    },
  });
}

function listRoute(prefix: string): HttpRoute {
  return httpRoute({
    method: "GET",
    path: `${prefix}/workflow`,
    access: look,
    anonymous: "local",
    tag,
    summary: "Lists stored workflows, the last one first",
    style: "waldiez",
    query: z.object({ ...pageQuery, name: z.string().optional().describe("Only those of this name.") }),
    responses: {
      200: { description: "A page.", schema: pageBody(z.object(metadata)) },
    },
    async handle({ query, clients: { scheduler } }) {
      const { workflows, nextPageToken } = await scheduler.listWorkflows({
        pageSize: query.page_size,
        pageToken: query.page_token,
        name: query.name ?? "",
      });
      return {
        status: 200,
        body: { items: workflows.map(metadataOf), next_page_token: nextPageToken },
      };
    },
  });
}

function metadataRoute(prefix: string): HttpRoute {
  return httpRoute({
    method: "GET",
    path: `${prefix}/workflow/:execution_id`,
    access: look,
    anonymous: "local",
    tag,
    summary: "Answers a stored workflow with its definition",
    style: "waldiez",
    params,
    responses: {
      200: {
        description: "The workflow.",
        schema: shownBody.extend(metadata),
      },
      404: unknown,
    },
    async handle({ params: { execution_id: workflowId }, clients: { scheduler } }) {
      const { workflow } = await named("Workflow definition", scheduler.getWorkflow({ workflowId }));
      if (workflow === undefined) throw new TypeError("the scheduler answered no workflow");
      return { status: 200, body: { ...metadataOf(workflow), ...shownDefinition(workflow) } };
    },
  });
}

/** A definition as people write it; its nodes with what clients of the engine always send. */
function shownDefinition(workflow: Workflow): z.output<typeof shownBody> {
  const shown = shownBody.parse(plainDefinition(workflow));
  const nodes = shown.dag.nodes.map((node) => ({ dependencies: [], config: {}, ...node }));
  return { ...shown, dag: { ...shown.dag, nodes } };
}

function metadataOf({
  workflowId,
  name,
  version,
  createdAt,
}: Pick<Workflow, "workflowId" | "name" | "version"> & { readonly createdAt?: Timestamp | undefined }) {
  return { execution_id: workflowId, name, version, created_at: epochSeconds(createdAt) };
}
