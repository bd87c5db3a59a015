import { randomUUID } from "node:crypto";
import { toBinary } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import {
  CreateWorkflowRequestSchema,
  DeleteWorkflowRequestSchema,
  type SchedulerService,
} from "../../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { DomainError } from "../../../lib/errors/domain-error.ts";
import { derivedUuid } from "../../../lib/ids/derived-uuid.ts";
import { isRunId } from "../../../lib/ids/task-id.ts";
import { sha256 } from "../content-digest.ts";
import { requestIdReused } from "../core/decide-command.ts";
import { canonicalText } from "../core/definition.ts";
import { workflowEntryMessage, workflowMessage } from "../workflow-message.ts";
import type { WorkflowStore } from "../workflow-store.ts";
import { type Owning, owningOf } from "./access.ts";
import { pageSizeOf, pageToken, workflowPlace } from "./page-token.ts";
import { definitionOf, refuse, requestIdFaults } from "./validate.ts";

const maxNameLength = 200;

export interface WorkflowsDeps {
  readonly workflows: WorkflowStore;
  /** Handlers that are built in or that some worker ever offered. */
  readonly knownHandlers: () => Promise<ReadonlySet<string>>;
}

type Workflows = Pick<
  ServiceImpl<typeof SchedulerService>,
  "createWorkflow" | "validateWorkflow" | "getWorkflow" | "listWorkflows" | "deleteWorkflow"
>;

/** The RPCs about workflows. */
export function workflows({ workflows: stored, knownHandlers }: WorkflowsDeps): Workflows {
  return {
    async createWorkflow(request, context) {
      const known = await knownHandlers();
      const { definition, faults } = definitionOf(request, (handler) => known.has(handler));
      refuse([...requestIdFaults(request.requestId), ...faults]);
      const { clientId } = owningOf(context);
      const version = sha256(canonicalText(definition));
      const workflowId = derivedUuid("workflow", clientId, version);
      const requestId = request.requestId || randomUUID();
      const digest = sha256(toBinary(CreateWorkflowRequestSchema, { ...request, requestId: "" }));
      const workflow = { workflowId, clientId, version, definition };
      const created = await stored.create(workflow, { requestId, digest });
      if (created === "reused") throw requestIdReused(requestId);
      return { workflow: workflowMessage(created) };
    },

    async validateWorkflow(request) {
      const known = await knownHandlers();
      const { faults } = definitionOf(request, (handler) => known.has(handler));
      return { faults: faults.map(({ path, reason, message }) => ({ path, reason, message })) };
    },

    async getWorkflow({ workflowId }, context) {
      const visibleTo = visibleClient(owningOf(context));
      const found = isRunId(workflowId) ? await stored.find(visibleTo, { workflowId }) : undefined;
      if (found === undefined) throw workflowNotFound(workflowId);
      const whole = (await stored.read([workflowId])).get(workflowId);
      if (whole === undefined) throw workflowNotFound(workflowId);
      return { workflow: workflowMessage(whole) };
    },

    async listWorkflows({ pageSize, pageToken: token, name }, context) {
      if (name.length > maxNameLength || name.includes("\0")) {
        const message = `is longer than ${maxNameLength} characters or has a zero character`;
        throw DomainError.ofFaults([{ path: "name", reason: "FIELD_INVALID", message }]);
      }
      const limit = pageSizeOf(pageSize);
      const list = `workflows ${name}`;
      const found = await stored.page({
        clientId: visibleClient(owningOf(context)),
        name: name === "" ? undefined : name,
        after: workflowPlace(token, list),
        limit: limit + 1,
      });
      const page = found.slice(0, limit);
      const last = found.length > limit ? page.at(-1) : undefined;
      return {
        workflows: page.map(workflowEntryMessage),
        nextPageToken:
          last?.appliedAt === undefined ? "" : pageToken(list, [last.appliedAt.getTime(), last.workflowId]),
      };
    },

    async deleteWorkflow(request, context) {
      refuse(requestIdFaults(request.requestId));
      const { workflowId } = request;
      if (!isRunId(workflowId)) throw workflowNotFound(workflowId);
      const caller = owningOf(context);
      const requestId = request.requestId || randomUUID();
      const body = toBinary(DeleteWorkflowRequestSchema, { ...request, requestId: "" });
      const removal = await stored.remove(
        { workflowId, clientId: visibleClient(caller) },
        { clientId: caller.clientId, requestId, digest: `delete workflow ${sha256(body)}` },
      );
      switch (removal.kind) {
        case "deleted":
          return {};
        case "reused":
          throw requestIdReused(requestId);
        case "not_found":
          throw workflowNotFound(workflowId);
        case "in_use": {
          const { scheduleId } = removal;
          const message = `schedule ${scheduleId} starts the workflow`;
          const metadata = { workflow_id: workflowId, schedule_id: scheduleId };
          throw new DomainError("WORKFLOW_IN_USE", message, metadata);
        }
      }
    },
  };
}

/** The client whose workflows a caller sees; undefined for those of all. */
function visibleClient({ admin, clientId }: Owning): string | undefined {
  return admin ? undefined : clientId;
}

function workflowNotFound(workflowId: string): DomainError {
  const metadata = { workflow_id: workflowId.slice(0, 100) };
  return new DomainError("WORKFLOW_NOT_FOUND", "there is no such workflow", metadata);
}
