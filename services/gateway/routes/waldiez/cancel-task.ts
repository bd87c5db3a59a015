import { HttpRefusal } from "../../http/http-refusal.ts";
import { type HttpRoute, httpRoute } from "../../http/route.ts";
import { type Finding, type FoundTask, findTask, isFinal, statusOfFound } from "./found-task.ts";
import { taskIdParams } from "./task-id.ts";
import { taskJson, taskSchema } from "./task-json.ts";
import { changeTasks } from "./waldiez-access.ts";

/** How long an answer waits for the program's end, so that the task is over when it says so. */
const endMs = 3_000;

/** `POST /api/v1/tasks/{id}/cancel`. */
export function cancelTask(): HttpRoute {
  return httpRoute({
    method: "POST",
    path: "/api/v1/tasks/:task_id/cancel",
    access: changeTasks,
    tag: "Tasks",
    summary: "Ends a task",
    description: "Of a scheduled task what is being carried out is ended, and nothing more is.",
    style: "waldiez",
    params: taskIdParams,
    responses: {
      200: { description: "The task, cancelled.", schema: taskSchema },
      400: { description: "It is over." },
      404: { description: "The caller has no such task." },
    },
    async handle(call) {
      const { task_id: taskId } = call.params;
      const found = await findTask(taskId, call);
      const status = statusOfFound(found, new Date());
      if (isFinal(status)) {
        throw new HttpRefusal(400, `Cannot cancel task with status ${status}`, { reason: "RUN_ENDED" });
      }
      await cancelled(found, call);
      return { status: 200, body: taskJson(await findTask(taskId, call), { now: new Date() }) };
    },
  });
}

async function cancelled(found: FoundTask, finding: Finding): Promise<void> {
  const { clients, signal } = finding;
  if (found.kind === "scheduled") {
    const { scheduleId } = found.schedule;
    await clients.scheduler.updateSchedule(
      { schedule: { scheduleId, paused: true }, updateMask: { paths: ["paused"] } },
      { signal },
    );
  }
  const task = found.kind === "plain" ? found.task : found.last;
  if (task === undefined || task.endedAt !== undefined) return;
  await clients.scheduler.cancelTask({ taskId: task.taskId }, { signal });
  await untilEnded(task.runId, finding);
}

/** Resolves when a run has ended, after a moment, or when nobody can say any more: the cancel is accepted all the same. */
async function untilEnded(runId: string, { clients, signal }: Finding): Promise<void> {
  const late = AbortSignal.timeout(endMs);
  try {
    const news = clients.scheduler.watchRun(
      { runs: [{ runId }] },
      { signal: AbortSignal.any([signal, late]) },
    );
    // The stream ends with the run.
    for await (const _ of news);
  } catch {
    // What is wrong with the watch, the look at the task that follows meets as well.
    signal.throwIfAborted();
  }
}
