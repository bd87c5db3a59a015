import { createClient, createRouterTransport } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { WorkerService } from "../../../gen/antiphon/worker/v1/worker_service_pb.ts";
import { aNode, aRun } from "../../../test/support/a-run.ts";
import type { PayloadKey } from "../payload-store.ts";
import { type WorkerServiceDeps, workerService } from "./worker-service.ts";

const run = aRun([aNode("A"), aNode("B")]);

test("keeps the same output of two attempts twice: it is removed with the report of each", async () => {
  const kept: PayloadKey[] = [];
  const deps: Pick<WorkerServiceDeps, "load" | "payloads"> = {
    load: async () => run,
    payloads: { keep: async (payload) => void kept.push(payload) },
  };
  const transport = createRouterTransport(({ service }) => {
    service(WorkerService, workerService(deps as WorkerServiceDeps));
  });
  const { runId } = run;
  const client = createClient(WorkerService, transport);
  const store = async (nodeId: string) => {
    const place = { runId, taskId: `${runId}.${nodeId}`, attempt: 1, leaseToken: `t-${nodeId}` };
    const { digest } = await client.storeOutput({ ...place, output: Buffer.from('"the same"') });
    return Buffer.from(digest).toString("hex");
  };
  const digests = [await store("A"), await store("B"), await store("A")];
  expect(new Set(digests).size).toBe(2);
  expect(digests[2]).toBe(digests[0]);
  expect(kept.map(({ digest }) => Buffer.from(digest).toString("hex"))).toEqual(digests);
});
