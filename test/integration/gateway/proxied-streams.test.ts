import { type ConnectRouter, createClient, type ServiceImpl } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { SchedulerService } from "../../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { logger } from "../../../lib/log/log.ts";
import { publicAccessOf } from "../../../lib/rpc/access.ts";
import { networkTransport } from "../../../lib/rpc/client.ts";
import { fromConnectError } from "../../../lib/rpc/from-connect-error.ts";
import { type Server, serve } from "../../../lib/rpc/serve.ts";
import { readSettings } from "../../../services/gateway/config.ts";
import { gateway } from "../../../services/gateway/gateway.ts";
import { aCaller } from "../../support/a-caller.ts";
import { until } from "../../support/until.ts";
import { Wire } from "../../support/wire.ts";

const log = logger("test", "silent");
const verify = async () => aCaller({ clientId: "c1" });
const headers = { authorization: "Bearer good" };

/** So much may lie in the buffers between a service and a caller that takes nothing: sockets, windows, this process. */
const buffersBytes = 64 * 1024 * 1024;
const chunkBytes = 256 * 1024;

let opened: AsyncDisposableStack;

beforeEach(() => {
  opened = new AsyncDisposableStack();
});

afterEach(() => opened.disposeAsync());

describe("streams through the gateway", () => {
  test("hold the service up while the caller takes nothing, and end there when the caller goes away", async () => {
    let chunks = 0;
    let ended = false;
    const { caller } = await start({
      async *downloadResults() {
        try {
          for (; ; chunks++) yield { chunk: new Uint8Array(chunkBytes) };
        } finally {
          ended = true;
        }
      },
    });
    const hangUp = new AbortController();
    const answers = caller.downloadResults({ taskId: "t1" }, { headers, signal: hangUp.signal });
    const stream = answers[Symbol.asyncIterator]();
    await stream.next();
    let before = -1;
    await until("the service is held up", async () => {
      const same = chunks === before;
      before = chunks;
      await new Promise((resolve) => setTimeout(resolve, 100));
      return same && chunks === before;
    });
    expect(chunks * chunkBytes).toBeLessThan(buffersBytes);
    hangUp.abort();
    await until("the call behind ends", () => ended);
    await stream.next().catch(() => undefined);
  });

  test("end with SERVICE_UNAVAILABLE when the service is killed", async () => {
    const { caller, wire } = await start({
      async *watchRun(_request, { signal }) {
        yield { runId: "r1", seq: 1 };
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
      },
    });
    const watching = (async () => {
      for await (const _ of caller.watchRun({ runs: [{ runId: "r1" }] }, { headers })) void wire.cut();
    })();
    const thrown = await watching.catch((error: unknown) => error);
    expect(fromConnectError(thrown).reason).toBe("SERVICE_UNAVAILABLE");
  });

  test("are taken up again by the same connection once the service is back", async () => {
    const { caller, wire } = await start({ getTask: ({ taskId }) => ({ task: { taskId } }) });
    await wire.cut();
    const thrown = await caller.getTask({ taskId: "t1" }, { headers }).catch((error: unknown) => error);
    expect(fromConnectError(thrown)).toMatchObject({
      reason: "SERVICE_UNAVAILABLE",
      metadata: { service: SchedulerService.typeName },
    });
    await wire.mend();
    const answer = await until("the service answers", () =>
      caller.getTask({ taskId: "t1" }, { headers }).catch(() => undefined),
    );
    expect(answer.task?.taskId).toBe("t1");
  });
});

/** A scheduler behind a wire, a gateway before it, and a caller by gRPC. */
async function start(scheduler: Partial<ServiceImpl<typeof SchedulerService>>) {
  const behind = await serving("scheduler", (router) => router.service(SchedulerService, scheduler));
  const wire = opened.use(new Wire(behind.port));
  await wire.mend();
  const way = opened.use(networkTransport({ url: wire.url }));
  const edge = gateway({
    auth: way,
    scheduler: way,
    worker: way,
    taskio: way,
    fetchKeys: async () => ({ keys: [] }),
    behind: [],
    verify,
    settings: readSettings({}),
    log,
  });
  const front = opened.use(
    await serve({ host: "127.0.0.1", port: 0, services: [edge], verify, log, shutdownGraceMs: 0 }),
  );
  const caller = createClient(SchedulerService, opened.use(networkTransport({ url: front.url })));
  return { caller, wire };
}

async function serving(name: string, routes: (router: ConnectRouter) => unknown): Promise<Server> {
  const service = {
    name,
    routes: (router: ConnectRouter) => void routes(router),
    access: publicAccessOf(SchedulerService),
    check: async () => {},
    [Symbol.asyncDispose]: async () => {},
  };
  return opened.use(
    await serve({ host: "127.0.0.1", port: 0, services: [service], verify, log, shutdownGraceMs: 0 }),
  );
}
