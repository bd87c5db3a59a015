import { create } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import { ExecuteRequestSchema } from "../../../gen/antiphon/internal/v1/owner_service_pb.ts";
import {
  type TaskIOState,
  TaskIOStateSchema,
  type TaskStateService,
} from "../../../gen/antiphon/internal/v1/task_state_service_pb.ts";
import { DomainError } from "../../../lib/errors/domain-error.ts";
import { parseTaskId } from "../../../lib/ids/task-id.ts";
import type { CommandRouter } from "../command-router.ts";
import { taskOf } from "../core/decide-report.ts";
import type { Run, Task } from "../core/run.ts";
import { failureMessage, promptMessage } from "../run-message.ts";
import { taskStateMessage } from "../state-message.ts";

export interface TaskStateServiceDeps {
  readonly router: Pick<CommandRouter, "execute">;
  readonly loadAll: (runIds: readonly string[]) => Promise<Map<string, Run>>;
}

/** What taskio asks. */
export function taskStateService({
  router,
  loadAll,
}: TaskStateServiceDeps): ServiceImpl<typeof TaskStateService> {
  return {
    async getTaskStates({ taskIds }) {
      const places = taskIds.flatMap((taskId) => {
        const place = parseTaskId(taskId);
        return place === undefined ? [] : [{ taskId, ...place }];
      });
      const runs = await loadAll([...new Set(places.map(({ runId }) => runId))]);
      return {
        tasks: places.flatMap(({ taskId, runId, nodeId }) => {
          const run = runs.get(runId);
          const task = taskOf(run, nodeId);
          return run === undefined || task === undefined ? [] : [ioState(taskId, run, task)];
        }),
      };
    },

    async answerPrompt(request, { signal }) {
      const { taskId, clientId, admin, requestId } = request;
      const place = parseTaskId(taskId);
      if (place === undefined) {
        throw new DomainError("TASK_NOT_FOUND", "there is no such task", { task_id: taskId.slice(0, 100) });
      }
      const { runId } = place;
      const command = { case: "answerPrompt", value: request } as const;
      await router.execute(
        create(ExecuteRequestSchema, { runId, clientId, admin, requestId, command }),
        signal,
      );
      return {};
    },
  };
}

function ioState(taskId: string, run: Run, task: Task): TaskIOState {
  return create(TaskIOStateSchema, {
    taskId,
    clientId: run.clientId,
    state: taskStateMessage[task.state],
    attempt: task.attempt,
    prompts: task.prompts.map((prompt) => ({
      prompt: promptMessage(prompt),
      closed: prompt.state !== "open",
      answeredBy: prompt.answeredBy ?? "",
    })),
    ...(task.failure && { failure: failureMessage(task.failure) }),
    sealKey: Buffer.from(task.lease?.sealKey ?? "", "base64"),
    lastSeqs: Object.fromEntries(task.lastSeqs),
    runSeq: run.seq,
  });
}
