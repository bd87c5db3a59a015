/*
 * Stored definitions as callers see them: as they sent them, with what they left
 * to its default left out.
 */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  type Dag,
  DagSchema,
  FailurePolicy,
  type NodeSchema,
  type Workflow as WorkflowMessage,
  WorkflowSchema,
} from "../../gen/antiphon/scheduler/v1/workflow_pb.ts";
import type { Definition, NodeDefinition } from "./core/definition.ts";
import { jsonBytes } from "./core/json.ts";
import type { StoredWorkflow, WorkflowEntry } from "./workflow-store.ts";

/** A workflow with its nodes and its schema. */
export function workflowMessage({
  workflowId,
  version,
  definition,
  createdAt,
  appliedAt,
}: Omit<StoredWorkflow, "clientId">): WorkflowMessage {
  const { name, inputSchema } = definition;
  return create(WorkflowSchema, {
    workflowId,
    version,
    name,
    dag: dagMessage(definition),
    createdAt: timestampFromDate(createdAt),
    ...(appliedAt && { appliedAt: timestampFromDate(appliedAt) }),
    ...(inputSchema !== undefined && { inputSchema: jsonBytes(inputSchema) }),
  });
}

/** A workflow as lists show it. */
export function workflowEntryMessage({
  workflowId,
  version,
  name,
  createdAt,
  appliedAt,
}: WorkflowEntry): WorkflowMessage {
  return create(WorkflowSchema, {
    workflowId,
    version,
    name,
    createdAt: timestampFromDate(createdAt),
    ...(appliedAt && { appliedAt: timestampFromDate(appliedAt) }),
  });
}

/** The steps of a definition. */
export function dagMessage({ nodes, onFailure = "" }: Definition): Dag {
  return create(DagSchema, { nodes: nodes.map(nodeMessage), onFailure });
}

const policyOf = {
  continue: FailurePolicy.CONTINUE,
  skip_dependents: FailurePolicy.SKIP_DEPENDENTS,
} as const satisfies Record<NonNullable<NodeDefinition["onFailure"]>, FailurePolicy>;

function nodeMessage(node: NodeDefinition): MessageInitShape<typeof NodeSchema> {
  const { id, handler, dependencies, config, retry, timeoutMs, queueTimeoutMs, onFailure, forEach } = node;
  return {
    id,
    handler,
    dependencies: [...dependencies],
    config: jsonBytes(config),
    when: node.when ?? "",
    queue: node.queue ?? "",
    labels: { ...node.labels },
    priority: node.priority ?? 0,
    replayInput: node.replayInput ?? false,
    ...(timeoutMs !== undefined && { timeout: durationFromMs(timeoutMs) }),
    ...(queueTimeoutMs !== undefined && { queueTimeout: durationFromMs(queueTimeoutMs) }),
    ...(onFailure !== undefined && { onFailure: policyOf[onFailure] }),
    ...(forEach && { forEach: { items: jsonBytes(forEach.items), maxParallel: forEach.maxParallel ?? 0 } }),
    ...(retry && {
      retry: {
        maxAttempts: retry.maxAttempts,
        initialDelay: durationFromMs(retry.initialDelayMs),
        multiplier: retry.multiplier,
        maxDelay: durationFromMs(retry.maxDelayMs),
        jitter: retry.jitter,
        nonRetryable: [...retry.nonRetryable],
      },
    }),
  };
}
