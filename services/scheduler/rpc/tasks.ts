import { randomUUID } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import { ExecuteRequestSchema } from "../../../gen/antiphon/internal/v1/owner_service_pb.ts";
import type { SchedulerService } from "../../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { DomainError } from "../../../lib/errors/domain-error.ts";
import { mainNode, taskIdOf } from "../../../lib/ids/task-id.ts";
import type { CommandRouter } from "../command-router.ts";
import { isUntaken } from "../core/run.ts";
import { taskMessage } from "../run-message.ts";
import { type WorkerOffer, waitOf } from "../waiting.ts";
import { type LoadRun, owningOf, taskFor } from "./access.ts";
import { refuseTooLarge } from "./answered-outputs.ts";
import { requestedRun } from "./requested-run.ts";
import { spending, type UsedUploads, withUpload } from "./uploaded-program.ts";
import { refuse, requestIdFaults, submissionFaults } from "./validate.ts";

export interface TasksDeps {
  readonly router: Pick<CommandRouter, "execute">;
  readonly load: LoadRun;
  readonly uploads: UsedUploads;
  /** What living workers take. */
  readonly offers: () => Promise<readonly WorkerOffer[]>;
}

type Tasks = Pick<ServiceImpl<typeof SchedulerService>, "submitTask" | "getTask" | "cancelTask">;

/** The RPCs about single tasks. */
export function tasks(deps: TasksDeps): Tasks {
  const { router, load } = deps;
  return {
    async submitTask(request, context) {
      refuse(submissionFaults(request), request.program && { file: request.program.fileName.slice(0, 200) });
      const caller = owningOf(context);
      const requested = requestedRun(caller, request.requestId);
      // Without the content of an upload the owner starts nothing, but knows a repeat.
      const program =
        request.program && (await withUpload(request.program, { ...caller, uploads: deps.uploads }));
      const value = { ...request, ...(program && { program }) };
      const command = { case: "submitTask", value } as const;
      const execute = create(ExecuteRequestSchema, { ...requested, command });
      await spending(request.program?.uploadId, { ...caller, uploads: deps.uploads }, async () => {
        await router.execute(execute, context.signal);
      });
      const { run, task } = await taskFor(caller, requested.runId, load);
      return { task: taskMessage(run, task, { withOutput: true }) };
    },

    async getTask({ taskId }, context) {
      const { run, task } = await taskFor(owningOf(context), taskId, load);
      refuseTooLarge([task], `those of its items, ${taskIdOf(run.runId, task.name)}.0 and so on`);
      const wait = waitOf(run, task, isUntaken(task) ? await deps.offers() : []);
      return { task: taskMessage(run, task, { withOutput: true, wait }) };
    },

    async cancelTask({ taskId, requestId }, context) {
      refuse(requestIdFaults(requestId));
      const caller = owningOf(context);
      const { run, nodeId } = await taskFor(caller, taskId, load);
      if (nodeId !== mainNode || run.workflowId !== undefined) {
        const message = "is a node of a workflow's run; cancel the run";
        throw DomainError.ofFaults([{ path: "task_id", reason: "FIELD_INVALID", message }]);
      }
      const command = { case: "cancelRun", value: { runId: run.runId } } as const;
      const request = { ...caller, runId: run.runId, requestId: requestId || randomUUID(), command };
      await router.execute(create(ExecuteRequestSchema, request), context.signal);
      const cancelled = await taskFor(caller, taskId, load);
      return { task: taskMessage(cancelled.run, cancelled.task, { withOutput: true }) };
    },
  };
}
