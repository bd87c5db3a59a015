import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { pino } from "pino";
import { SchedulerService } from "../../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { TaskIOService } from "../../../gen/antiphon/taskio/v1/taskio_service_pb.ts";
import { delay } from "../../../lib/async/delay.ts";
import { DomainError } from "../../../lib/errors/domain-error.ts";
import { type AccessRules, internalOnly } from "../../../lib/rpc/access.ts";
import { callerOf, type VerifyToken } from "../../../lib/rpc/authenticate.ts";
import type { RunningService } from "../../../lib/rpc/running-service.ts";
import { type ServeOptions, type Server, serve } from "../../../lib/rpc/serve.ts";
import { aCaller } from "../../support/a-caller.ts";

/** What a handler of the test service threw that nobody may see. */
export const unspeakable = "the password is hunter2";

export const silentLog = pino({ level: "silent" });

/** A small service on real descriptors, whose answers follow from the task's name. */
export class TestService implements RunningService {
  readonly name = "test";
  readonly access: AccessRules = {
    [TaskIOService.typeName]: { audiences: ["tasks-api", "internal"], scope: "none" },
    [`${TaskIOService.typeName}/SendInput`]: internalOnly,
    [SchedulerService.typeName]: { audiences: "any", scope: "none" },
  };
  /** How many handlers are at work, less those that never come back. */
  open = 0;
  isWell = true;

  readonly routes: RunningService["routes"] = (router) => {
    router.service(TaskIOService, {
      getTranscript: async ({ taskId }, context) => {
        if (taskId === "missing")
          throw new DomainError("TASK_NOT_FOUND", "there is no task missing", { task_id: "missing" });
        if (taskId === "broken") throw new Error(unspeakable);
        if (taskId === "slow") await this.#holding(() => delay(60_000, context.signal));
        if (taskId === "deaf") await new Promise<void>(() => undefined);
        if (taskId === "brief") await this.#holding(() => delay(300));
        return { nextAfter: `${callerOf(context).clientId} ${taskId}` };
      },
      sendInput: async () => ({}),
      watch: (_request, { signal }) => this.#watch(signal),
      attach: async function* (requests) {
        for await (const { request } of requests) {
          if (request.case !== "answer") continue;
          yield { response: { case: "accepted", value: { promptId: request.value.promptId } } } as const;
        }
      },
    });
    router.service(SchedulerService, { createWorkflow: ({ name }) => ({ workflow: { name } }) });
  };

  async check(): Promise<void> {
    if (!this.isWell) throw new Error("not well");
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  async *#watch(signal: AbortSignal) {
    this.open += 1;
    try {
      yield { news: { news: { case: "heartbeat", value: {} } } } as const;
      await delay(60_000, signal);
    } finally {
      this.open -= 1;
    }
  }

  async #holding(wait: () => Promise<void>): Promise<void> {
    this.open += 1;
    try {
      await wait();
    } finally {
      this.open -= 1;
    }
  }
}

/** Takes `<audience>~<client id>` for a token that is good for an hour. */
export const verifyTestToken: VerifyToken = async (token) => {
  const [, audience, clientId = ""] = /^([a-z-]+)~(\w+)$/.exec(token) ?? [];
  if (audience !== "tasks-api" && audience !== "workers-api" && audience !== "internal") {
    throw new DomainError("TOKEN_INVALID", "the token is not one of this installation");
  }
  return aCaller({ clientId, audience });
};

/** A token that the test service takes. */
export const token = "tasks-api~alice";
export const bearer = { authorization: `Bearer ${token}` };

/** Serves the test service on a free port. */
export async function serveTestService(
  options: Partial<ServeOptions> = {},
): Promise<Server & { readonly service: TestService }> {
  const service = new TestService();
  const server = await serve({
    host: "127.0.0.1",
    port: 0,
    services: [service],
    verify: verifyTestToken,
    log: silentLog,
    shutdownGraceMs: 0,
    ...options,
  });
  return Object.assign(server, { service });
}

/** Calls GetTranscript with plain HTTP. */
export function getTranscript(
  url: string,
  body: string,
  headers: Record<string, string> = bearer,
): Promise<Response> {
  return fetch(`${url}/antiphon.taskio.v1.TaskIOService/GetTranscript`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body,
  });
}

/** A raw connection that remembers what it received. */
export async function rawConnection(
  port: number,
): Promise<Disposable & { readonly socket: Socket; received(): string }> {
  const socket = connect(port, "127.0.0.1");
  let received = "";
  socket.setEncoding("latin1").on("data", (text: string) => {
    received += text;
  });
  // A server that resets the connection is what some tests want.
  socket.on("error", () => undefined);
  await once(socket, "connect");
  return { socket, received: () => received, [Symbol.dispose]: () => socket.destroy() };
}
