import { setImmediate } from "node:timers/promises";
import {
  Code,
  ConnectError,
  type ConnectRouter,
  createClient,
  createRouterTransport,
  type HandlerContext,
  type ServiceImpl,
} from "@connectrpc/connect";
import { describe, expect, test } from "vitest";
import { SchedulerService } from "../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { TaskIOService } from "../../gen/antiphon/taskio/v1/taskio_service_pb.ts";
import { WorkerService } from "../../gen/antiphon/worker/v1/worker_service_pb.ts";
import { DomainError } from "../../lib/errors/domain-error.ts";
import { fromConnectError } from "../../lib/rpc/from-connect-error.ts";
import { toConnectError } from "../../lib/rpc/to-connect-error.ts";
import { proxy } from "./proxy.ts";

describe("proxy", () => {
  test("passes a unary call on with the caller's headers and brings the answer's back", async () => {
    let seen: Headers | undefined;
    const front = frontOf((router) =>
      router.service(SchedulerService, {
        getTask({ taskId }, { requestHeader, responseHeader, responseTrailer }) {
          seen = requestHeader;
          responseHeader.set("x-request-id", "r1");
          responseTrailer.set("x-took", "1");
          return { task: { taskId } };
        },
      }),
    );
    const back = new Headers();
    const answer = await createClient(SchedulerService, front).getTask(
      { taskId: "t1" },
      {
        headers: { authorization: "Bearer a", traceparent: "00-1", "x-request-id": "r1", cookie: "c=1" },
        onHeader: (header) => header.forEach((value, name) => back.set(name, value)),
        onTrailer: (trailer) => trailer.forEach((value, name) => back.set(name, value)),
      },
    );
    expect(answer.task?.taskId).toBe("t1");
    expect(seen?.get("authorization")).toBe("Bearer a");
    expect(seen?.get("traceparent")).toBe("00-1");
    expect(seen?.get("cookie")).toBeNull();
    expect(back.get("x-request-id")).toBe("r1");
    expect(back.get("x-took")).toBe("1");
  });

  test("passes the messages of a server stream on in order", async () => {
    const front = frontOf((router) =>
      router.service(SchedulerService, {
        async *watchRun({ runs }) {
          for (const { runId } of runs) yield { runId, seq: 1 };
        },
      }),
    );
    const seen: string[] = [];
    const runs = ["a", "b", "c"].map((runId) => ({ runId }));
    for await (const { runId } of createClient(SchedulerService, front).watchRun({ runs })) seen.push(runId);
    expect(seen).toEqual(["a", "b", "c"]);
  });

  test("passes the messages of a client stream on and answers once", async () => {
    const sizes: number[] = [];
    const front = frontOf((router) =>
      router.service(WorkerService, {
        async storeArtifact(requests) {
          for await (const { piece } of requests) if (piece.case === "chunk") sizes.push(piece.value.length);
          return {};
        },
      }),
    );
    async function* chunks() {
      for (const size of [1, 2, 3]) yield { piece: { case: "chunk" as const, value: new Uint8Array(size) } };
    }
    await createClient(WorkerService, front).storeArtifact(chunks());
    expect(sizes).toEqual([1, 2, 3]);
  });

  test("carries both directions of a bidirectional stream at once", async () => {
    const front = frontOf((router) => router.service(TaskIOService, { attach: echoAnswers }));
    const seen: string[] = [];
    const accepted = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    async function* answers() {
      yield { request: { case: "answer" as const, value: { promptId: "p1" } } };
      await accepted[0]?.promise;
      yield { request: { case: "answer" as const, value: { promptId: "p2" } } };
      await accepted[1]?.promise;
    }
    for await (const { response } of createClient(TaskIOService, front).attach(answers())) {
      if (response.case !== "accepted") continue;
      seen.push(response.value.promptId);
      accepted[seen.length - 1]?.resolve();
    }
    expect(seen).toEqual(["p1", "p2"]);
  });

  test("hands an error back with its code, message, details and metadata", async () => {
    const faults = [{ path: "dag.nodes[0].id", reason: "FIELD_INVALID", message: "is empty" }] as const;
    const front = frontOf((router) =>
      router.service(SchedulerService, {
        createWorkflow() {
          const error = toConnectError(
            new DomainError("DAG_CYCLE", "a circle", { cycle: "A -> A" }, { faults }),
          );
          error.metadata.set("retry-after", "3");
          throw error;
        },
      }),
    );
    const thrown = await createClient(SchedulerService, front)
      .createWorkflow({})
      .catch((error: unknown) => error);
    expect(fromConnectError(thrown)).toEqual({
      reason: "DAG_CYCLE",
      message: "a circle",
      code: Code.InvalidArgument,
      metadata: { cycle: "A -> A" },
      faults,
    });
    expect(ConnectError.from(thrown).metadata.get("retry-after")).toBe("3");
  });

  test("hands the error of a stream on after the messages before it", async () => {
    const front = frontOf((router) =>
      router.service(SchedulerService, {
        async *watchRun() {
          yield { runId: "a", seq: 1 };
          throw toConnectError(new DomainError("WATCHER_TOO_SLOW", "too slow"));
        },
      }),
    );
    const seen: string[] = [];
    const watching = (async () => {
      for await (const { runId } of createClient(SchedulerService, front).watchRun({})) seen.push(runId);
    })();
    const thrown = await watching.catch((error: unknown) => error);
    expect(seen).toEqual(["a"]);
    expect(fromConnectError(thrown).reason).toBe("WATCHER_TOO_SLOW");
  });

  test.each([Code.Unavailable, Code.Aborted])(
    "says that the service behind does not answer (%i)",
    async (code) => {
      const front = frontOf((router) =>
        router.service(SchedulerService, {
          getTask() {
            throw new ConnectError("connect ECONNREFUSED", code);
          },
        }),
      );
      const thrown = await createClient(SchedulerService, front)
        .getTask({})
        .catch((error: unknown) => error);
      expect(fromConnectError(thrown)).toMatchObject({
        code: Code.Unavailable,
        reason: "SERVICE_UNAVAILABLE",
        metadata: { service: SchedulerService.typeName },
      });
    },
  );

  test("aborts the call behind when the caller goes away", async () => {
    const abandoned = Promise.withResolvers<void>();
    const front = frontOf((router) =>
      router.service(TaskIOService, {
        async *watch(_request, { signal }) {
          signal.addEventListener("abort", () => abandoned.resolve());
          yield {};
          await abandoned.promise;
        },
      }),
    );
    const caller = new AbortController();
    const watching = (async () => {
      for await (const _ of createClient(TaskIOService, front).watch({}, { signal: caller.signal }))
        caller.abort();
    })();
    await expect(watching).rejects.toMatchObject({ code: Code.Canceled });
    await abandoned.promise;
  });

  test("passes the caller's deadline on", async () => {
    let leftMs: number | undefined;
    const front = frontOf((router) =>
      router.service(SchedulerService, {
        getTask(_request, { timeoutMs }) {
          leftMs = timeoutMs();
          return {};
        },
      }),
    );
    await createClient(SchedulerService, front).getTask({}, { timeoutMs: 60_000 });
    expect(leftMs).toBeGreaterThan(0);
    expect(leftMs).toBeLessThanOrEqual(60_000);
  });

  test("reads no further from the service behind while the caller takes nothing", async () => {
    let written = 0;
    const front = frontOf((router) =>
      router.service(SchedulerService, {
        async *watchRun() {
          for (; written < 10_000; written++) yield { seq: written };
        },
      }),
    );
    const stream = createClient(SchedulerService, front).watchRun({})[Symbol.asyncIterator]();
    await stream.next();
    for (let turn = 0; turn < 1_000; turn++) await setImmediate();
    expect(written).toBeLessThan(100);
    await stream.return?.();
  });
});

function frontOf(behind: (router: ConnectRouter) => unknown) {
  const transport = createRouterTransport((router) => void behind(router));
  return createRouterTransport((router) => {
    for (const service of [SchedulerService, TaskIOService, WorkerService]) {
      proxy(router, service, { transport, tokenFor: () => undefined });
    }
  });
}

const echoAnswers: NonNullable<ServiceImpl<typeof TaskIOService>["attach"]> = async function* (
  requests,
  _context: HandlerContext,
) {
  for await (const { request } of requests) {
    if (request.case === "answer")
      yield { response: { case: "accepted", value: { promptId: request.value.promptId } } };
  }
};
