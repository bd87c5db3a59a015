import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Code, createClient } from "@connectrpc/connect";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { TaskIOService } from "../../../gen/antiphon/taskio/v1/taskio_service_pb.ts";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../../../gen/health/v1/health_pb.ts";
import { ServerReflection, type ServerReflectionRequest } from "../../../gen/reflection/v1/reflection_pb.ts";
import { type NetworkTransport, networkTransport } from "../../../lib/rpc/client.ts";
import { bearer, serveTestService } from "./test-service.ts";

let server: Awaited<ReturnType<typeof serveTestService>>;
let transport: NetworkTransport;

beforeAll(async () => {
  server = await serveTestService();
  transport = networkTransport({ url: server.url });
});
afterAll(async () => {
  transport[Symbol.dispose]();
  await server[Symbol.asyncDispose]();
});

describe("reflection", () => {
  type Asked = ServerReflectionRequest["messageRequest"];

  async function ask(messageRequest: Asked) {
    const requests = (async function* () {
      yield { messageRequest };
    })();
    for await (const { messageResponse } of createClient(ServerReflection, transport).serverReflectionInfo(
      requests,
    )) {
      return messageResponse;
    }
    throw new Error("no answer");
  }

  async function filesFor(asked: Asked): Promise<string[]> {
    const answer = await ask(asked);
    if (answer.case !== "fileDescriptorResponse") throw new Error(`answered ${answer.case}`);
    return answer.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes).name);
  }

  const taskIOFile = "antiphon/taskio/v1/taskio_service.proto";

  test.each(["grpc-v1", "grpc-v1alpha"])(
    "by %s lets buf list and call what it has no schema of",
    async (protocol) => {
      const buf = async (...args: string[]) => {
        const common = ["curl", "--http2-prior-knowledge", "--reflect-protocol", protocol];
        return (await promisify(execFile)("node_modules/.bin/buf", [...common, ...args])).stdout;
      };
      expect((await buf("--list-services", server.url)).split("\n")).toContain(
        "antiphon.taskio.v1.TaskIOService",
      );
      const url = `${server.url}/antiphon.taskio.v1.TaskIOService/GetTranscript`;
      const header = `Authorization: ${bearer.authorization}`;
      const answer = await buf("--protocol", "grpc", "-H", header, "-d", '{"taskId": "t1"}', url);
      expect(JSON.parse(answer)).toEqual({ nextAfter: "alice t1" });
    },
  );

  test("answers a file by its name, with all that it imports", async () => {
    const files = await filesFor({ case: "fileByFilename", value: taskIOFile });
    expect(files[0]).toBe(taskIOFile);
    expect(files).toContain("antiphon/taskio/v1/transcript.proto");
    expect(files).toContain("google/protobuf/timestamp.proto");
    expect(new Set(files).size).toBe(files.length);
  });

  test.each([
    "antiphon.taskio.v1.TaskIOService",
    "antiphon.taskio.v1.TaskIOService.Attach",
    "antiphon.taskio.v1.AttachRequest",
    "antiphon.taskio.v1.AttachRequest.Open",
    "antiphon.taskio.v1.AttachRequest.Open.task_id",
  ])("knows which file has %s", async (value) => {
    expect((await filesFor({ case: "fileContainingSymbol", value }))[0]).toBe(taskIOFile);
  });

  test.each<[string, Asked]>([
    ["a symbol", { case: "fileContainingSymbol", value: "antiphon.taskio.v1.TaskIOService.Sing" }],
    ["a file", { case: "fileByFilename", value: "secret.proto" }],
    ["a type", { case: "allExtensionNumbersOfType", value: "antiphon.Nothing" }],
  ])("says that it does not know %s", async (_what, asked) => {
    expect(await ask(asked)).toMatchObject({ case: "errorResponse", value: { errorCode: Code.NotFound } });
  });

  test("answers which numbers extend a type", async () => {
    const value = "antiphon.taskio.v1.AttachRequest";
    expect(await ask({ case: "allExtensionNumbersOfType", value })).toMatchObject({
      case: "allExtensionNumbersResponse",
      value: { baseTypeName: value, extensionNumber: [] },
    });
  });

  test("can be switched off", async () => {
    await using closed = await serveTestService({ reflection: false });
    using transport = networkTransport({ url: closed.url });
    const requests = (async function* () {
      yield { messageRequest: { case: "listServices", value: "" } } as const;
    })();
    const answers = createClient(ServerReflection, transport).serverReflectionInfo(requests);
    await expect(answers[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: Code.Unimplemented });
  });
});

describe("health", () => {
  const health = () => createClient(Health, transport);

  beforeEach(async () => {
    server.service.isWell = true;
  });

  test("is SERVING for the process and for each service while they can work", async () => {
    await expect(health().check({})).resolves.toMatchObject({ status: Status.SERVING });
    await expect(health().check({ service: TaskIOService.typeName })).resolves.toMatchObject({
      status: Status.SERVING,
    });
    const { statuses } = await health().list({});
    expect(Object.keys(statuses)).toEqual(
      expect.arrayContaining(["", TaskIOService.typeName, Health.typeName]),
    );
  });

  test("tells who watches that a service can not work, and that it can again", async () => {
    const leaving = new AbortController();
    const watching = health().watch({ service: TaskIOService.typeName }, { signal: leaving.signal });
    const statuses = watching[Symbol.asyncIterator]();
    const next = async () => ((await statuses.next()).value as { status: Status } | undefined)?.status;
    expect(await next()).toBe(Status.SERVING);
    server.service.isWell = false;
    expect(await next()).toBe(Status.NOT_SERVING);
    server.service.isWell = true;
    expect(await next()).toBe(Status.SERVING);
    leaving.abort();
  });

  test("of a service that is not served is not found, or unknown to who watches", async () => {
    await expect(health().check({ service: "antiphon.Nothing" })).rejects.toMatchObject({
      code: Code.NotFound,
    });
    const statuses = health().watch({ service: "antiphon.Nothing" })[Symbol.asyncIterator]();
    expect((await statuses.next()).value).toMatchObject({ status: Status.SERVICE_UNKNOWN });
  });
});
