import { z } from "zod";
import { HttpRefusal } from "../../http/http-refusal.ts";
import { type HttpRoute, httpRoute } from "../../http/route.ts";
import { waldiezStatuses } from "../status-names.ts";
import { type Finding, type FoundTask, findTask, isFinal, statusOfFound } from "./found-task.ts";
import { inSlices } from "./in-slices.ts";
import { listTasksOf } from "./listed-tasks.ts";
import { textList } from "./page.ts";
import { removeTask } from "./remove-task.ts";
import { plainTaskId, taskIdParams } from "./task-id.ts";
import { changeTasks } from "./waldiez-access.ts";

const force = z.stringbool().default(false).describe("Whether active tasks are ended and removed as well.");

const listQuery = z.object({
  ids: textList(1_000).describe("Which; left out, all of the caller's. An administrator has to name them."),
  force,
});

/** How many tasks one request removes; a repeat goes on. */
const maxRemoved = 10_000;

const pageSize = 100;

/** `DELETE /api/v1/tasks/{id}` and `DELETE /api/v1/tasks`. */
export function deleteTasks(): readonly HttpRoute[] {
  return [
    httpRoute({
      method: "DELETE",
      path: "/api/v1/tasks/:task_id",
      access: changeTasks,
      tag: "Tasks",
      summary: "Removes a task with its files",
      style: "waldiez",
      params: taskIdParams,
      query: z.object({ force }),
      responses: {
        204: { description: "It is removed." },
        400: { description: "It is active, and `force` was not given." },
        404: { description: "The caller has no such task." },
      },
      async handle(call) {
        const now = new Date();
        const found = await findTask(call.params.task_id, call);
        const outcome = await removeTask(found, { force: call.query.force, now }, call);
        if (outcome === "removed") return { status: 204 };
        const message = `Cannot delete task with status ${statusOfFound(found, now)}`;
        throw new HttpRefusal(400, message, { reason: "NOT_ENDED" });
      },
    }),
    httpRoute({
      method: "DELETE",
      path: "/api/v1/tasks",
      access: changeTasks,
      tag: "Tasks",
      summary: "Removes tasks with their files",
      description:
        "Those that the caller does not have, and without `force` those that are active, are passed over.",
      style: "waldiez",
      query: listQuery,
      responses: {
        204: { description: "They are removed." },
        400: { description: "An administrator named none." },
      },
      async handle(call) {
        const { ids, force } = call.query;
        // Who sees the tasks of everybody would remove those.
        if (ids.length === 0 && call.caller?.audience === "admin-api") {
          throw new HttpRefusal(400, "Task IDs must be specified for deletion", { reason: "FIELD_INVALID" });
        }
        if (ids.length > 0) await removeThese(ids.map(plainTaskId), force, call);
        else await removeAll(force, call);
        return { status: 204 };
      },
    }),
  ];
}

async function removeThese(ids: readonly string[], force: boolean, finding: Finding): Promise<void> {
  const now = new Date();
  await inSlices([...new Set(ids)], async (id) => {
    const found = await foundOrNot(id, finding);
    if (found !== undefined) await removeTask(found, { force, now }, finding);
  });
}

async function removeAll(force: boolean, finding: Finding): Promise<void> {
  const now = new Date();
  const query = force ? {} : { statuses: waldiezStatuses.filter(isFinal) };
  const first = { orderBy: undefined, isDescending: false, skip: 0, size: pageSize };
  for (let removed = 0; removed < maxRemoved; ) {
    const { tasks } = await listTasksOf(query, first, now, finding);
    const outcomes = await inSlices(tasks, async (task) => await removeTask(task, { force, now }, finding));
    const count = outcomes.filter((outcome) => outcome === "removed").length;
    // What is left can not be removed at the moment.
    if (count === 0) return;
    removed += count;
  }
}

async function foundOrNot(id: string, finding: Finding): Promise<FoundTask | undefined> {
  try {
    return await findTask(id, finding);
  } catch (thrown) {
    if (thrown instanceof HttpRefusal && thrown.status === 404) return undefined;
    throw thrown;
  }
}
