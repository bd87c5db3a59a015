import { type AddressInfo, createServer } from "node:net";
import { fromBinary } from "@bufbuild/protobuf";
import { createClient, createRouterTransport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { credentials, Client as GrpcClient, Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { AuthService } from "../../gen/antiphon/auth/v1/auth_service_pb.ts";
import { Audience } from "../../gen/antiphon/auth/v1/client_pb.ts";
import { TaskStateService } from "../../gen/antiphon/internal/v1/task_state_service_pb.ts";
import { SchedulerService } from "../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { StatusSchema } from "../../gen/google/rpc/status_pb.ts";
import { DomainError } from "../../lib/errors/domain-error.ts";
import { logger } from "../../lib/log/log.ts";
import { networkTransport } from "../../lib/rpc/client.ts";
import { fromConnectError } from "../../lib/rpc/from-connect-error.ts";
import { serve } from "../../lib/rpc/serve.ts";
import { toConnectError } from "../../lib/rpc/to-connect-error.ts";
import { aCaller } from "../../test/support/a-caller.ts";
import { readSettings } from "./config.ts";
import { gateway } from "./gateway.ts";

const log = logger("gateway", "silent");
const opened = new AsyncDisposableStack();
const illness = new Map<string, string>();

let url: string;

beforeAll(async () => {
  url = await startGateway();
});

afterEach(() => illness.clear());

afterAll(() => opened.disposeAsync());

describe("gateway", () => {
  test("answers GET /health with ok, and with the reasons when a service behind is not able to work", async () => {
    const well = await fetch(`${url}/health`, { headers: { "x-request-id": "abc-1" } });
    expect([well.status, await well.json()]).toEqual([200, { status: "ok" }]);
    expect(well.headers.get("x-request-id")).toBe("abc-1");
    expect(well.headers.get("x-content-type-options")).toBe("nosniff");
    illness.set("scheduler", "the database does not answer");
    const ill = await fetch(`${url}/health`);
    expect([ill.status, await ill.json()]).toEqual([
      503,
      { status: "unavailable", reasons: { scheduler: "the database does not answer" } },
    ]);
  });

  test("answers GET /healthz with OK", async () => {
    const answer = await fetch(`${url}/healthz`);
    expect([answer.status, await answer.text()]).toEqual([200, "OK"]);
  });

  test("publishes the keys that tokens are signed with", async () => {
    const answer = await fetch(`${url}/.well-known/jwks.json`);
    expect([answer.status, await answer.json()]).toEqual([200, { keys: [] }]);
  });

  test("answers a path that is none with 404, and a wrong method with 405 and those that it takes", async () => {
    const none = await fetch(`${url}/nothing`);
    expect([none.status, await none.json()]).toMatchObject([404, { reason: "ROUTE_NOT_FOUND" }]);
    const wrong = await fetch(`${url}/health`, { method: "DELETE" });
    expect([wrong.status, wrong.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
  });

  test("hands a refusal with its details on to a gRPC client", async () => {
    const client = new GrpcClient(new URL(url).host, credentials.createInsecure());
    const metadata = new Metadata();
    metadata.set("authorization", "Bearer good");
    const error = await new Promise<ServiceError | null>((resolve) => {
      const path = `/${SchedulerService.typeName}/GetTask`;
      client.makeUnaryRequest(
        path,
        (bytes: Buffer) => bytes,
        (bytes) => bytes,
        Buffer.alloc(0),
        metadata,
        resolve,
      );
    });
    client.close();
    expect(error?.code).toBe(status.NOT_FOUND);
    const [details] = error?.metadata.get("grpc-status-details-bin") ?? [];
    const { details: packed } = fromBinary(StatusSchema, details as Buffer);
    expect(packed.map(({ typeUrl }) => typeUrl)).toEqual(["type.googleapis.com/google.rpc.ErrorInfo"]);
  });

  test("hands a refusal with its details on to a caller of Connect JSON", async () => {
    const answer = await fetch(`${url}/${SchedulerService.typeName}/GetTask`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: "Bearer good" },
      body: "{}",
    });
    expect(answer.status).toBe(404);
    expect(await answer.json()).toMatchObject({
      code: "not_found",
      details: [
        { type: "google.rpc.ErrorInfo", debug: { reason: "TASK_NOT_FOUND", metadata: { task_id: "t1" } } },
      ],
    });
  });

  test("refuses a call without a token, but not the one that gets a token", async () => {
    const transport = createConnectTransport({ baseUrl: url, httpVersion: "1.1" });
    const thrown = await createClient(SchedulerService, transport)
      .getTask({})
      .catch((error: unknown) => error);
    expect(fromConnectError(thrown).reason).toBe("TOKEN_MISSING");
    const issued = await createClient(AuthService, transport).issueToken({
      clientId: "c1",
      clientSecret: "s1",
    });
    expect(issued.accessToken).toBe("token-of-c1");
  });

  test("does not route internal services", async () => {
    const transport = createConnectTransport({ baseUrl: url, httpVersion: "1.1" });
    const client = createClient(TaskStateService, transport);
    const thrown = await client.getTaskStates({}).catch((error: unknown) => error);
    expect(fromConnectError(thrown).reason).toBe("ROUTE_NOT_FOUND");
  });

  test("says SERVICE_UNAVAILABLE when nobody listens where the service should be", async () => {
    const headers = { "content-type": "application/json", authorization: "Bearer good" };
    const path = "antiphon.worker.v1.WorkerService/ListWorkers";
    const answer = await fetch(`${url}/${path}`, { method: "POST", headers, body: "{}" });
    expect(answer.status).toBe(503);
    expect(await answer.json()).toMatchObject({
      code: "unavailable",
      details: [{ debug: { reason: "SERVICE_UNAVAILABLE" } }, { type: "google.rpc.RetryInfo" }],
    });
  });
});

const verify = async () => aCaller({ clientId: "c1" });

async function startGateway(): Promise<string> {
  const behind = createRouterTransport((router) => {
    router.service(AuthService, {
      issueToken({ clientId, clientSecret }) {
        if (clientSecret !== "s1")
          throw toConnectError(new DomainError("CREDENTIALS_INVALID", "no such client"));
        const expiresAt = { seconds: BigInt(Date.UTC(2100, 0, 1) / 1000) };
        return { accessToken: `token-of-${clientId}`, expiresAt, audience: Audience.TASKS_API };
      },
    });
    router.service(SchedulerService, {
      getTask() {
        throw toConnectError(new DomainError("TASK_NOT_FOUND", "there is no task t1", { task_id: "t1" }));
      },
    });
  });
  const composed = gateway({
    auth: behind,
    scheduler: behind,
    taskio: behind,
    worker: opened.use(networkTransport({ url: `http://127.0.0.1:${await freePort()}` })),
    fetchKeys: async () => ({ keys: [] }),
    behind: [{ name: "scheduler", check: async () => fail(illness.get("scheduler")) }],
    verify,
    settings: readSettings({}),
    log,
  });
  const server = await serve({
    host: "127.0.0.1",
    port: 0,
    services: [composed],
    fallback: composed.fallback,
    verify,
    log,
  });
  opened.use(server);
  return server.url;
}

function fail(reason: string | undefined): void {
  if (reason !== undefined) throw new Error(reason);
}

/** A port at which nobody listens. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
