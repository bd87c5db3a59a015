import { createRouterTransport } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { SchedulerService } from "../../../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { logger } from "../../../../lib/log/log.ts";
import { serve } from "../../../../lib/rpc/serve.ts";
import { aCaller } from "../../../../test/support/a-caller.ts";
import { httpApp } from "../../http/http-app.ts";
import { deleteTasks } from "./delete-tasks.ts";

const log = logger("gateway", "silent");
const opened = new AsyncDisposableStack();

/** The runs that there are. */
let runIds: string[];
let url: string;

beforeAll(async () => {
  const transport = createRouterTransport((router) => {
    router.service(SchedulerService, {
      listSchedules: () => ({}),
      countTasks: () => ({ count: BigInt(runIds.length) }),
      listTasks: () => ({ tasks: runIds.map((runId) => ({ taskId: runId, runId })) }),
      deleteRun({ runId }) {
        runIds = runIds.filter((other) => other !== runId);
        return {};
      },
    });
  });
  const verify = async (token: string) =>
    aCaller({ audience: token === "admin" ? "admin-api" : "tasks-api" });
  const app = httpApp({
    routes: deleteTasks(),
    transports: { auth: transport, scheduler: transport, taskio: transport },
    verify,
    tokenFor: () => undefined,
    log,
  });
  const server = await serve({ host: "127.0.0.1", port: 0, services: [], fallback: app, verify, log });
  opened.use(server);
  url = `${server.url}/api/v1/tasks?force=true`;
});

afterAll(() => opened.disposeAsync());

test.each([
  ["removes all tasks of a client that names none", "alice", 204, []],
  ["refuses an administrator who names none, and removes nobody's tasks", "admin", 400, ["r1", "r2"]],
])("%s", async (_behaviour, token, status, left) => {
  runIds = ["r1", "r2"];
  const headers = { authorization: `Bearer ${token}` };
  expect((await fetch(url, { method: "DELETE", headers })).status).toBe(status);
  expect(runIds).toEqual(left);
});
