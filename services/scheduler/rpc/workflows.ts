import { createHash, randomUUID } from "node:crypto";
import { create, toBinary } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import {
  CreateWorkflowRequestSchema,
  type SchedulerService,
} from "../../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import {
  type Workflow as WorkflowMessage,
  WorkflowSchema,
} from "../../../gen/antiphon/scheduler/v1/workflow_pb.ts";
import { DomainError } from "../../../lib/errors/domain-error.ts";
import { derivedUuid } from "../../../lib/ids/derived-uuid.ts";
import { canonicalText } from "../core/definition.ts";
import { jsonBytes } from "../core/json.ts";
import type { StoredWorkflow, WorkflowStore } from "../workflow-store.ts";
import { owningOf } from "./access.ts";
import { definitionOf, refuse, requestIdFaults } from "./validate.ts";

export interface WorkflowsDeps {
  readonly workflows: Pick<WorkflowStore, "create">;
  /** Handlers that are built in or that some worker ever offered. */
  readonly knownHandlers: () => Promise<ReadonlySet<string>>;
}

/** The RPCs about workflows. */
export function workflows(
  deps: WorkflowsDeps,
): Pick<ServiceImpl<typeof SchedulerService>, "createWorkflow" | "validateWorkflow"> {
  return {
    async createWorkflow(request, context) {
      const known = await deps.knownHandlers();
      const { definition, faults } = definitionOf(request, (handler) => known.has(handler));
      refuse([...requestIdFaults(request.requestId), ...faults]);
      const { clientId } = owningOf(context);
      const version = sha256(canonicalText(definition));
      const workflowId = derivedUuid("workflow", clientId, version);
      const requestId = request.requestId || randomUUID();
      const digest = sha256(toBinary(CreateWorkflowRequestSchema, { ...request, requestId: "" }));
      const stored = await deps.workflows.create(
        { workflowId, clientId, version, definition },
        { requestId, digest },
      );
      if (stored === "reused") {
        const message = `request id ${requestId} was used by another request`;
        throw new DomainError("REQUEST_ID_REUSED", message, { request_id: requestId });
      }
      return { workflow: workflowMessage(stored) };
    },

    async validateWorkflow(request) {
      const known = await deps.knownHandlers();
      const { faults } = definitionOf(request, (handler) => known.has(handler));
      return { faults: faults.map(({ path, reason, message }) => ({ path, reason, message })) };
    },
  };
}

function workflowMessage({ workflowId, version, definition, createdAt }: StoredWorkflow): WorkflowMessage {
  return create(WorkflowSchema, {
    workflowId,
    version,
    name: definition.name,
    dag: {
      nodes: definition.nodes.map(({ id, handler, dependencies, config }) => ({
        id,
        handler,
        dependencies: [...dependencies],
        config: jsonBytes(config),
      })),
    },
    createdAt: timestampFromDate(createdAt),
  });
}

function sha256(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}
