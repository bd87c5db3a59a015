import { randomUUID } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import { ExecuteRequestSchema } from "../../../gen/antiphon/internal/v1/owner_service_pb.ts";
import type { SchedulerService } from "../../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { DomainError } from "../../../lib/errors/domain-error.ts";
import { isRunId } from "../../../lib/ids/task-id.ts";
import type { CommandRouter } from "../command-router.ts";
import { runMessage } from "../run-message.ts";
import type { WorkflowStore } from "../workflow-store.ts";
import { type LoadRun, owningOf, runFor } from "./access.ts";
import { requestedRun } from "./requested-run.ts";
import { inputFaults, refuse, requestIdFaults } from "./validate.ts";

export interface RunCommandsDeps {
  readonly router: Pick<CommandRouter, "execute">;
  readonly load: LoadRun;
  readonly workflows: Pick<WorkflowStore, "read">;
}

type RunCommands = Pick<ServiceImpl<typeof SchedulerService>, "startRun" | "cancelRun">;

/** The RPCs that change runs. */
export function runCommands({ router, load, workflows }: RunCommandsDeps): RunCommands {
  return {
    async startRun(request, context) {
      refuse([...requestIdFaults(request.requestId), ...inputFaults(request.input)]);
      const caller = owningOf(context);
      const { workflowId } = request;
      const workflow = isRunId(workflowId) ? (await workflows.read([workflowId])).get(workflowId) : undefined;
      if (workflow === undefined || (workflow.clientId !== caller.clientId && !caller.admin)) {
        const metadata = { workflow_id: workflowId.slice(0, 100) };
        throw new DomainError("WORKFLOW_NOT_FOUND", "there is no such workflow", metadata);
      }
      const requested = requestedRun(caller, request.requestId);
      const command = { case: "startRun", value: request } as const;
      await router.execute(create(ExecuteRequestSchema, { ...requested, command }), context.signal);
      return { run: runMessage(await runFor(caller, requested.runId, load)) };
    },

    async cancelRun({ runId, requestId }, context) {
      refuse(requestIdFaults(requestId));
      const caller = owningOf(context);
      await runFor(caller, runId, load);
      const command = { case: "cancelRun", value: { runId } } as const;
      const request = { ...caller, runId, requestId: requestId || randomUUID(), command };
      await router.execute(create(ExecuteRequestSchema, request), context.signal);
      return { run: runMessage(await runFor(caller, runId, load)) };
    },
  };
}
