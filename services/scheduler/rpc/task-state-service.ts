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
import { type ChangedRuns, lookAtChanged } from "../changed-runs.ts";
import type { CommandRouter } from "../command-router.ts";
import { type Run, type Task, taskOf } from "../core/run.ts";
import { failureMessage, promptMessage } from "../run-message.ts";
import { taskStateMessage } from "../state-message.ts";
import { refuse } from "./validate.ts";

/** As many tasks are answered in one call. */
const maxTasks = 1_000;

export interface TaskStateServiceDeps extends ChangedRuns {
  readonly router: Pick<CommandRouter, "execute">;
}

/** What taskio asks. */
export function taskStateService({
  router,
  ...changedRuns
}: TaskStateServiceDeps): ServiceImpl<typeof TaskStateService> {
  return {
    async getTaskStates({ taskIds, knownRunSeqs }) {
      if (taskIds.length > maxTasks) {
        refuse([{ path: "task_ids", reason: "FIELD_INVALID", message: `has more than ${maxTasks} items` }]);
      }
      const nodesOf = new Map<string, { readonly taskId: string; readonly nodeId: string }[]>();
      const known = new Map<string, number>();
      for (const taskId of taskIds) {
        const place = parseTaskId(taskId);
        if (place === undefined) continue;
        const { runId, nodeId } = place;
        const nodes = nodesOf.get(runId) ?? [];
        nodesOf.set(runId, nodes);
        nodes.push({ taskId, nodeId });
        known.set(runId, Math.min(known.get(runId) ?? Infinity, knownRunSeqs[taskId] ?? 0));
      }
      const seen = await lookAtChanged(changedRuns, known, (run) =>
        (nodesOf.get(run.runId) ?? []).flatMap(({ taskId, nodeId }) => {
          const task = taskOf(run, nodeId);
          return task === undefined ? [] : [ioState(taskId, run, task)];
        }),
      );
      return { tasks: [...seen.values()].flat() };
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
      timedOut: prompt.state === "timed_out",
    })),
    ...(task.failure && { failure: failureMessage(task.failure) }),
    sealKey: Buffer.from(task.lease?.sealKey ?? "", "base64"),
    lastSeqs: Object.fromEntries(task.lastSeqs),
    runSeq: run.seq,
  });
}
