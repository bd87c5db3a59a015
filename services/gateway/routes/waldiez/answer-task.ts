import { z } from "zod";
import { fromConnectError } from "../../../../lib/rpc/from-connect-error.ts";
import { HttpRefusal } from "../../http/http-refusal.ts";
import { type HttpCall, type HttpRoute, httpRoute } from "../../http/route.ts";
import { answerText } from "./answer-text.ts";
import { findTask } from "./found-task.ts";
import { taskIdParams, taskNotFound } from "./task-id.ts";
import { answerTasks } from "./waldiez-access.ts";

const answer = z.object({
  request_id: z.string().describe("The question: the task's `input_request_id`."),
  data: z.string(),
});

/** `POST /api/v1/tasks/{id}/input`: answers what a task asked. */
export function answerTask(): HttpRoute {
  return httpRoute({
    method: "POST",
    path: "/api/v1/tasks/:task_id/input",
    access: answerTasks,
    tag: "Tasks",
    summary: "Answers a question of a task",
    description: "Answered when the answer is stored. The first answer to a question counts.",
    style: "waldiez",
    params: taskIdParams,
    // 64 KiB of text, each byte of which JSON may spell with six.
    body: { kinds: ["json"], schema: answer, maxBytes: 512 * 1024 },
    responses: {
      204: { description: "The answer is stored." },
      400: { description: "The task does not wait for this answer." },
      404: { description: "The caller has no such task." },
      422: { description: "A field is missing or not of its form." },
    },
    async handle(call) {
      await answered(call.params.task_id, call.body, call);
      return { status: 204 };
    },
  });
}

async function answered(
  taskId: string,
  { request_id: promptId, data }: z.output<typeof answer>,
  call: Pick<HttpCall, "clients" | "signal">,
): Promise<void> {
  const found = await findTask(taskId, call);
  const task = found.kind === "plain" ? found.task : found.last;
  // A question that is not open any more is not told from one that never was.
  if (task === undefined) throw invalidRequest();
  const { signal } = call;
  try {
    await call.clients.taskio.sendInput(
      { taskId: task.taskId, promptId, text: answerText(data) },
      { signal },
    );
  } catch (thrown) {
    const { reason } = fromConnectError(thrown);
    if (reason === "TASK_NOT_FOUND") throw taskNotFound();
    if (reason === "PROMPT_NOT_FOUND" || reason === "PROMPT_CLOSED") throw invalidRequest(reason);
    throw thrown;
  }
}

function invalidRequest(reason: "PROMPT_NOT_FOUND" | "PROMPT_CLOSED" = "PROMPT_NOT_FOUND"): HttpRefusal {
  return new HttpRefusal(400, "Invalid input request", { reason });
}
