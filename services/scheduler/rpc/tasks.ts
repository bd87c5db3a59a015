import { randomUUID } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import { ExecuteRequestSchema } from "../../../gen/antiphon/internal/v1/owner_service_pb.ts";
import type { SchedulerService } from "../../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import type { Task as TaskMessage } from "../../../gen/antiphon/scheduler/v1/task_pb.ts";
import { DomainError } from "../../../lib/errors/domain-error.ts";
import { mainNode, taskIdOf } from "../../../lib/ids/task-id.ts";
import type { CommandRouter } from "../command-router.ts";
import { isUntaken, type Run } from "../core/run.ts";
import { taskMessage } from "../run-message.ts";
import type { RunStore } from "../run-store.ts";
import { type WorkerOffer, waitOf } from "../waiting.ts";
import { type LoadRun, type Owning, owningOf, runFor, taskFor } from "./access.ts";
import { refuseTooLarge } from "./answered-outputs.ts";
import { numberedPlace, pageSizeOf, pageToken, runPlace } from "./page-token.ts";
import { requestedRun } from "./requested-run.ts";
import { refuse, requestIdFaults, submissionFaults } from "./validate.ts";

export interface TasksDeps {
  readonly router: Pick<CommandRouter, "execute">;
  readonly load: LoadRun;
  readonly loadAll: (runIds: readonly string[]) => Promise<Map<string, Run>>;
  readonly runs: Pick<RunStore, "page">;
  /** What living workers take. */
  readonly offers: () => Promise<readonly WorkerOffer[]>;
}

type Tasks = Pick<
  ServiceImpl<typeof SchedulerService>,
  "submitTask" | "getTask" | "listTasks" | "cancelTask"
>;

/** The RPCs about tasks. */
export function tasks(deps: TasksDeps): Tasks {
  const { router, load } = deps;
  return {
    async submitTask(request, context) {
      refuse(submissionFaults(request), request.program && { file: request.program.fileName.slice(0, 200) });
      const caller = owningOf(context);
      const requested = requestedRun(caller, request.requestId);
      const command = { case: "submitTask", value: request } as const;
      await router.execute(create(ExecuteRequestSchema, { ...requested, command }), context.signal);
      const { run, task } = await taskFor(caller, requested.runId, load);
      return { task: taskMessage(run, task, { withOutput: true }) };
    },

    async getTask({ taskId }, context) {
      const { run, task } = await taskFor(owningOf(context), taskId, load);
      refuseTooLarge([task], `those of its items, ${taskIdOf(run.runId, task.name)}.0 and so on`);
      const wait = waitOf(run, task, isUntaken(task) ? await deps.offers() : []);
      return { task: taskMessage(run, task, { withOutput: true, wait }) };
    },

    async listTasks({ pageSize, pageToken: token, runId }, context) {
      const caller = owningOf(context);
      const limit = pageSizeOf(pageSize);
      return runId === ""
        ? await standAloneTasks(deps, { caller, limit, token })
        : tasksOf(await runFor(caller, runId, load), { limit, token });
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

interface Page {
  readonly tasks: TaskMessage[];
  readonly nextPageToken: string;
}

async function standAloneTasks(
  { runs, loadAll }: TasksDeps,
  { caller, limit, token }: { caller: Owning; limit: number; token: string },
): Promise<Page> {
  const after = runPlace(token, "tasks");
  const clientId = caller.admin ? undefined : caller.clientId;
  const rows = await runs.page({ clientId, standAloneOnly: true }, { after, limit: limit + 1 });
  const page = rows.slice(0, limit);
  const loaded = await loadAll(page.map((row) => row.run_id));
  const last = rows.length > limit ? page.at(-1) : undefined;
  return {
    tasks: page.flatMap((row) => {
      const run = loaded.get(row.run_id);
      const [task] = run?.tasks ?? [];
      return run === undefined || task === undefined ? [] : [taskMessage(run, task)];
    }),
    nextPageToken: last === undefined ? "" : pageToken("tasks", [last.created_at.getTime(), last.run_id]),
  };
}

function tasksOf(run: Run, { limit, token }: { limit: number; token: string }): Page {
  const from = numberedPlace(token, `tasks of ${run.runId}`) ?? 0;
  const page = run.tasks.slice(from, from + limit);
  const next = from + page.length;
  return {
    tasks: page.map((task) => taskMessage(run, task)),
    nextPageToken: next < run.tasks.length ? pageToken(`tasks of ${run.runId}`, [next]) : "",
  };
}
