import { createRouterTransport } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { SchedulerService } from "../../../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { TaskState } from "../../../../gen/antiphon/scheduler/v1/task_pb.ts";
import { DomainError } from "../../../../lib/errors/domain-error.ts";
import { logger } from "../../../../lib/log/log.ts";
import { serve } from "../../../../lib/rpc/serve.ts";
import { toConnectError } from "../../../../lib/rpc/to-connect-error.ts";
import { aCaller } from "../../../../test/support/a-caller.ts";
import { httpApp } from "../../http/http-app.ts";
import { cancelTask } from "./cancel-task.ts";

const log = logger("gateway", "silent");
const taskId = "0b6f4f9e-6f0e-4a3a-8b44-0f7f3c0f2a11";

/** Cancels a task whose end is watched by `watchRun`. */
async function cancelled({ watchRun }: { readonly watchRun: () => AsyncGenerator<Record<string, never>> }) {
  let state: TaskState = TaskState.RUNNING;
  let watches = 0;
  const transport = createRouterTransport((router) => {
    router.service(SchedulerService, {
      getTask: () => ({ task: { taskId, runId: taskId, state, createdAt: { seconds: 1n } } }),
      cancelTask() {
        state = TaskState.CANCELLED;
        return {};
      },
      watchRun() {
        watches += 1;
        return watchRun();
      },
    });
  });
  const verify = async () => aCaller();
  const fallback = httpApp({
    routes: [cancelTask()],
    transports: { auth: transport, scheduler: transport, taskio: transport },
    verify,
    tokenFor: () => undefined,
    log,
  });
  await using server = await serve({ host: "127.0.0.1", port: 0, services: [], fallback, verify, log });
  const answer = await fetch(`${server.url}/api/v1/tasks/${taskId}/cancel`, {
    method: "POST",
    headers: { authorization: "Bearer good" },
  });
  return { status: answer.status, task: (await answer.json()) as object, watches };
}

/** A watch that ends at once, or breaks with `fault`. */
async function* watch(fault?: Error): AsyncGenerator<Record<string, never>> {
  if (fault !== undefined) throw fault;
  yield {};
}

const stopping = toConnectError(new DomainError("SERVICE_UNAVAILABLE", "the scheduler is stopping"));

test.each([
  ["ends with its program", () => watch()],
  ["breaks: the cancel is accepted all the same", () => watch(stopping)],
])("answers the cancelled task when the watch for its end %s", async (_how, watchRun) => {
  expect(await cancelled({ watchRun })).toMatchObject({
    status: 200,
    task: { id: taskId, status: "CANCELLED" },
    watches: 1,
  });
});
