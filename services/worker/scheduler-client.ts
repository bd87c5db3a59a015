import { create } from "@bufbuild/protobuf";
import { createClient, type Transport } from "@connectrpc/connect";
import {
  type StoreArtifactRequest,
  StoreArtifactRequestSchema,
  WorkerService,
} from "../../gen/antiphon/worker/v1/worker_service_pb.ts";
import { fromConnectError } from "../../lib/rpc/from-connect-error.ts";
import type { ArtifactUpload, SchedulerCalls } from "./scheduler-calls.ts";

/** A call that takes longer meets an owner that is gone; the caller repeats it. */
const fetchTimeoutMs = 30_000;
const storeTimeoutMs = 600_000;

/** The contract's bound on one piece of a file, in bytes. */
const maxPieceBytes = 1_048_576;

/** The scheduler's WorkerService as this worker uses it. */
export function schedulerClient(transport: Transport): SchedulerCalls {
  const client = createClient(WorkerService, transport);
  return {
    heartbeat: async (request, signal) => {
      try {
        return { kind: "heard", answer: await client.heartbeat(request, { signal }) };
      } catch (error) {
        if (fromConnectError(error).reason === "WORKER_SUPERSEDED") return { kind: "superseded" };
        throw error;
      }
    },
    fetchProgram: async (of, signal) => {
      try {
        const answer = await client.fetchProgram(of, { signal, timeoutMs: fetchTimeoutMs });
        return { kind: "fetched", answer };
      } catch (error) {
        if (fromConnectError(error).reason === "LEASE_LOST") return { kind: "lease_lost" };
        throw error;
      }
    },
    fetchConfig: async ({ runId, taskId, attempt, leaseToken }, signal) => {
      const request = { runId, taskId, attempt, leaseToken };
      return await unlessLost(async () => {
        return (await client.fetchConfig(request, { signal, timeoutMs: fetchTimeoutMs })).config;
      });
    },
    storeOutput: async ({ runId, taskId, attempt, leaseToken, output }, signal) => {
      const request = { runId, taskId, attempt, leaseToken, output };
      return await unlessLost(async () => {
        return (await client.storeOutput(request, { signal, timeoutMs: fetchTimeoutMs })).digest;
      });
    },
    storeArtifact: async (upload, signal) => {
      try {
        await client.storeArtifact(piecesOf(upload), { signal, timeoutMs: storeTimeoutMs });
        return { kind: "stored" };
      } catch (error) {
        const { reason, message } = fromConnectError(error);
        if (reason === "LEASE_LOST") return { kind: "lease_lost" };
        if (reason === "TOO_LARGE" || reason === "FIELD_INVALID") return { kind: "refused", message };
        throw error;
      }
    },
  };
}

async function unlessLost(call: () => Promise<Uint8Array>): Promise<Uint8Array | "lease_lost"> {
  try {
    return await call();
  } catch (error) {
    if (fromConnectError(error).reason === "LEASE_LOST") return "lease_lost";
    throw error;
  }
}

async function* piecesOf({ content, size, ...place }: ArtifactUpload): AsyncGenerator<StoreArtifactRequest> {
  const header = { ...place, size: BigInt(size) };
  yield create(StoreArtifactRequestSchema, { piece: { case: "header", value: header } });
  for await (const chunk of content) {
    for (let from = 0; from < chunk.length; from += maxPieceBytes) {
      const value = chunk.subarray(from, from + maxPieceBytes);
      yield create(StoreArtifactRequestSchema, { piece: { case: "chunk", value } });
    }
  }
}
