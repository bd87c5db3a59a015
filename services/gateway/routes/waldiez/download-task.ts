import { fromConnectError } from "../../../../lib/rpc/from-connect-error.ts";
import { HttpRefusal } from "../../http/http-refusal.ts";
import { type HttpRoute, httpRoute } from "../../http/route.ts";
import { findTask } from "./found-task.ts";
import { taskIdParams } from "./task-id.ts";
import { lookAtTasks } from "./waldiez-access.ts";

/** `GET /api/v1/tasks/{id}/download`: what a task left behind, as one archive. */
export function downloadTask(): HttpRoute {
  return httpRoute({
    method: "GET",
    path: "/api/v1/tasks/:task_id/download",
    access: lookAtTasks,
    tag: "Tasks",
    summary: "Downloads the files that a task left behind",
    style: "waldiez",
    params: taskIdParams,
    responses: {
      200: { description: "A zip archive.", contentType: "application/zip" },
      404: { description: "The caller has no such task, or it has not ended." },
    },
    async handle(call) {
      const found = await findTask(call.params.task_id, call);
      const task = found.kind === "plain" ? found.task : found.last;
      if (task === undefined) throw noArchive();
      const { signal } = call;
      const answers = call.clients.scheduler.downloadResults({ taskId: task.taskId }, { signal });
      return {
        status: 200,
        body: await begun(answers),
        headers: {
          "content-type": "application/zip",
          "content-disposition": `attachment; filename=${call.params.task_id}.zip`,
          "x-accel-buffering": "no",
        },
      };
    },
  });
}

/** The chunks of an archive, once the first is there: a refusal comes before anything is answered. */
async function begun(
  answers: AsyncIterable<{ readonly chunk: Uint8Array }>,
): Promise<AsyncIterable<Uint8Array>> {
  const chunks = answers[Symbol.asyncIterator]();
  try {
    const first = await chunks.next();
    return (async function* () {
      for (let next = first; next.done !== true; next = await chunks.next()) yield next.value.chunk;
    })();
  } catch (thrown) {
    if (fromConnectError(thrown).reason !== "NOT_ENDED") throw thrown;
    throw noArchive();
  }
}

function noArchive(): HttpRefusal {
  return new HttpRefusal(404, "Task archive does not exist", { reason: "NOT_ENDED" });
}
