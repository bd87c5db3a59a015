import { type HttpRoute, httpRoute } from "../../http/route.ts";
import { findTask } from "./found-task.ts";
import { jsonAnswer } from "./json-answer.ts";
import { taskIdParams } from "./task-id.ts";
import { taskJson, taskSchema } from "./task-json.ts";
import { lookAtTasks } from "./waldiez-access.ts";

/** `GET /api/v1/tasks/{id}`. */
export function getTask(): HttpRoute {
  return httpRoute({
    method: "GET",
    path: "/api/v1/tasks/:task_id",
    access: lookAtTasks,
    tag: "Tasks",
    summary: "Answers a task as it stands",
    style: "waldiez",
    params: taskIdParams,
    headers: ["If-None-Match"],
    responses: {
      200: { description: "The task.", schema: taskSchema },
      304: { description: "It is as the caller's `If-None-Match` has it." },
      404: { description: "The caller has no such task." },
    },
    async handle(call) {
      const found = await findTask(call.params.task_id, call);
      return jsonAnswer(call, taskJson(found, { now: new Date() }));
    },
  });
}
