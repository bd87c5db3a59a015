import { createHash } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import { HearWorkerRequestSchema } from "../../../gen/antiphon/internal/v1/owner_service_pb.ts";
import type {
  HeartbeatRequest,
  StoreArtifactRequest,
  WorkerService,
} from "../../../gen/antiphon/worker/v1/worker_service_pb.ts";
import { DomainError, type FieldFault } from "../../../lib/errors/domain-error.ts";
import { isRunId, parseTaskId } from "../../../lib/ids/task-id.ts";
import { callerOf } from "../../../lib/rpc/authenticate.ts";
import type { Storage } from "../../../lib/storage/storage.ts";
import { artifactKey } from "../artifact-key.ts";
import { queueForm } from "../core/check-policies.ts";
import { jsonBytes } from "../core/json.ts";
import { configOf } from "../core/node-config.ts";
import { isUnderway, isUntaken, type Run, type Task, taskOf } from "../core/run.ts";
import type { Standing } from "../hear-worker.ts";
import type { HistoryStore } from "../history-store.ts";
import type { OwnerDirectory } from "../owner-directory.ts";
import type { PayloadStore } from "../payload-store.ts";
import type { Peers } from "../peers.ts";
import { inputBytes, programOf } from "../program-definition.ts";
import type { EnvSeal } from "../program-env.ts";
import { labelsOf, type WorkerStore } from "../worker-store.ts";
import type { LoadRun } from "./access.ts";
import { namedPlace, pageSizeOf, pageToken } from "./page-token.ts";

/** The largest file that an attempt may leave behind. */
const maxOutputBytes = 1024 * 1024;
const maxArtifactBytes = 100 * 1024 * 1024;

/** The largest piece of it. */
const maxChunkBytes = 1024 * 1024;

const maxAttempts = 100_000;

export interface WorkerServiceDeps {
  readonly incarnation: string;
  readonly leaseMs: number;
  readonly heartbeatMs: number;
  readonly workers: WorkerStore;
  readonly directory: OwnerDirectory;
  readonly peers: Peers;
  /** What this replica knows of a worker's attempts. */
  readonly hearHere: (request: ReturnType<typeof heard>) => Promise<Standing>;
  readonly load: LoadRun;
  readonly history: Pick<HistoryStore, "program">;
  readonly envs: Pick<EnvSeal, "open">;
  readonly payloads: Pick<PayloadStore, "keep">;
  readonly storage: Pick<Storage, "put">;
}

export function workerService(deps: WorkerServiceDeps): ServiceImpl<typeof WorkerService> {
  return {
    async heartbeat(request, context) {
      const faults = heartbeatFaults(request);
      if (faults.length > 0) throw DomainError.ofFaults(faults);
      const { workerId, incarnation, handlers, queues, labels, slots, programSlots, sandbox } = request;
      const noted = await deps.workers.note({
        workerId,
        clientId: callerOf(context).clientId,
        incarnation,
        isRegistering: request.registering,
        handlers,
        queues: queues.length > 0 ? queues : [""],
        labels,
        slots,
        programSlots,
        held: request.attempts.length,
        sandbox,
      });
      if (noted === "superseded") {
        const message = `a newer process runs as worker ${workerId}`;
        throw new DomainError("WORKER_SUPERSEDED", message, { worker_id: workerId });
      }
      if (noted === "foreign") {
        const message = "belongs to another client";
        throw DomainError.ofFaults([{ path: "worker_id", reason: "FIELD_INVALID", message }]);
      }
      const news = heard(request);
      const addresses = deps.directory.addressesBesides(deps.incarnation);
      const standings = await Promise.all([
        deps.hearHere(news),
        ...[...addresses].map(async (address) => await deps.peers.hearWorker(address, news)),
      ]);
      return {
        controls: standings.flatMap(({ controls }) => controls),
        renewed: standings.flatMap(({ renewed }) => renewed),
        lease: durationFromMs(deps.leaseMs),
        interval: durationFromMs(deps.heartbeatMs),
      };
    },

    async fetchProgram(request) {
      const { run, task, nodeId } = await leased(deps.load, request);
      const config = configOf(run, task);
      if ("fault" in config) throw new Error(`a leased task of run ${run.runId} has no config`);
      const isStandAlone = run.workflowId === undefined;
      const stored = isStandAlone ? await deps.history.program(run.runId) : undefined;
      const { program, input } = programOf(
        config.value,
        stored && { content: stored.content, env: deps.envs.open(stored.sealedEnv, run.runId) },
      );
      if (program.content.length === 0) throw new Error(`node ${nodeId} of run ${run.runId} has no program`);
      return { program, input: inputBytes(isStandAlone ? run.input : input) };
    },

    async fetchConfig(request) {
      const { run, task } = await underway(deps.load, request);
      const config = configOf(run, task);
      if ("fault" in config) throw new Error(`a task of run ${run.runId} that is underway has no config`);
      return { config: jsonBytes(config.value) };
    },

    async storeOutput(request) {
      const { run } = await underway(deps.load, request);
      const { output, taskId, attempt, leaseToken } = request;
      if (output.length > maxOutputBytes) {
        const message = `the output has ${output.length} bytes`;
        throw new DomainError("TOO_LARGE", message, { limit: String(maxOutputBytes) });
      }
      // Of the attempt, too: it is removed with the report of one, and another may end with the same output.
      const place = JSON.stringify([taskId, attempt, leaseToken]);
      const digest = createHash("sha256").update(place).update(output).digest();
      await deps.payloads.keep({ runId: run.runId, digest, content: output });
      return { digest };
    },

    async storeArtifact(requests) {
      const pieces = requests[Symbol.asyncIterator]();
      const first = await pieces.next();
      const piece = first.done === true ? undefined : first.value.piece;
      if (piece?.case !== "header") throw invalid("header", "is missing in the first message");
      const { runId, path, size, attempt } = piece.value;
      const { nodeId } = await leased(deps.load, piece.value);
      if (!isRelative(path)) throw invalid("header.path", "is not a path below the output folder");
      const bytes = Number(size);
      if (bytes < 0) throw invalid("header.size", "is negative");
      if (bytes > maxArtifactBytes) {
        const message = `a file may have ${maxArtifactBytes} bytes at most`;
        throw new DomainError("TOO_LARGE", message, { limit: String(maxArtifactBytes) });
      }
      await deps.storage.put(artifactKey({ runId, nodeId, attempt, path }), chunks(pieces, bytes));
      return {};
    },

    async listWorkers({ pageSize, pageToken: token }) {
      const limit = pageSizeOf(pageSize);
      const afterId = namedPlace(token, "workers") ?? "";
      const rows = await deps.workers.page({ afterId, limit: limit + 1, leaseMs: deps.leaseMs });
      const page = rows.slice(0, limit);
      const last = rows.length > limit ? page.at(-1) : undefined;
      return {
        workers: page.map((row) => ({
          workerId: row.worker_id,
          handlers: [...row.handlers],
          slots: row.slots,
          held: row.held,
          registeredAt: timestampFromDate(row.registered_at),
          lastSeenAt: timestampFromDate(row.last_seen_at),
          alive: row.is_alive,
          sandbox: row.sandbox,
          queues: [...row.queues],
          labels: labelsOf(row.labels),
        })),
        nextPageToken: last === undefined ? "" : pageToken("workers", [last.worker_id]),
      };
    },
  };
}

/** What the owners of runs have to hear of a heartbeat. */
export function heard({ workerId, incarnation, attempts }: HeartbeatRequest) {
  return create(HearWorkerRequestSchema, { workerId, incarnation, attempts });
}

function heartbeatFaults(request: HeartbeatRequest): FieldFault[] {
  const faults: FieldFault[] = [];
  const check = (isRight: boolean, path: string, message: string) => {
    if (!isRight) faults.push({ path, reason: "FIELD_INVALID", message });
  };
  check(
    /^[A-Za-z0-9._-]{1,100}$/.test(request.workerId),
    "worker_id",
    "is not of the form [A-Za-z0-9._-]{1,100}",
  );
  check(
    /^[A-Za-z0-9._-]{1,100}$/.test(request.incarnation),
    "incarnation",
    "is not of the form [A-Za-z0-9._-]{1,100}",
  );
  check(request.slots >= 1 && request.slots <= 10_000, "slots", "is not from 1 to 10000");
  check(
    request.programSlots >= 0 && request.programSlots <= 10_000,
    "program_slots",
    "is not from 0 to 10000",
  );
  check(request.handlers.length <= 1_000, "handlers", "has more than 1000 items");
  const isName = (handler: string) => /^[A-Za-z_][A-Za-z0-9._-]{0,199}$/.test(handler);
  check(request.handlers.every(isName), "handlers", "has an item that is not a name");
  const { queues, labels } = request;
  const areQueues = queues.length <= 8 && queues.every((queue) => queue === "" || queueForm.test(queue));
  check(areQueues, "queues", `has more than 8 items, or one not of the form ${queueForm.source}`);
  const pairs = Object.entries(labels);
  const areLabels = pairs.length <= 4 && pairs.flat().every((text) => queueForm.test(text));
  check(areLabels, "labels", `has more than 4 labels, or one not of the form ${queueForm.source}`);
  check(request.attempts.length <= maxAttempts, "attempts", `has more than ${maxAttempts} items`);
  check(/^[a-z-]{0,100}$/.test(request.sandbox), "sandbox", "is not of the form [a-z-]{0,100}");
  return faults;
}

/** The task of an attempt that a worker holds by its token, or that is short enough to be carried out before a lease. Throws `LEASE_LOST`. */
async function underway(
  load: LoadRun,
  held: Parameters<typeof leased>[1],
): Promise<{ run: Run; task: Task; nodeId: string }> {
  const place = parseTaskId(held.taskId);
  const run = place?.runId === held.runId ? await load(held.runId) : undefined;
  const task = taskOf(run, place?.nodeId ?? "");
  if (run !== undefined && task !== undefined && isUntaken(task) && task.attempt === held.attempt) {
    return { run, task, nodeId: task.name };
  }
  return await leased(load, held);
}

/** The task that a worker holds by its token. Throws `LEASE_LOST`. */
async function leased(
  load: LoadRun,
  held: {
    readonly runId: string;
    readonly taskId: string;
    readonly attempt: number;
    readonly leaseToken: string;
  },
): Promise<{ run: Run; task: Task; nodeId: string }> {
  const place = parseTaskId(held.taskId);
  const isPlace = place !== undefined && isRunId(held.runId) && place.runId === held.runId;
  const run = isPlace ? await load(held.runId) : undefined;
  const task = taskOf(run, place?.nodeId ?? "");
  const isHeld = task?.attempt === held.attempt && task.lease?.token === held.leaseToken;
  if (run === undefined || task === undefined || place === undefined || !isHeld || !isUnderway(task)) {
    const metadata = { task_id: held.taskId.slice(0, 100), attempt: String(held.attempt) };
    throw new DomainError("LEASE_LOST", "the worker does not hold this attempt", metadata);
  }
  return { run, task, nodeId: place.nodeId };
}

async function* chunks(
  pieces: AsyncIterator<StoreArtifactRequest>,
  size: number,
): AsyncGenerator<Uint8Array> {
  let left = size;
  for (let next = await pieces.next(); next.done !== true; next = await pieces.next()) {
    const { piece } = next.value;
    if (piece.case !== "chunk") throw invalid("chunk", "is missing in a message after the first");
    if (piece.value.length > maxChunkBytes) throw invalid("chunk", `is larger than ${maxChunkBytes} bytes`);
    left -= piece.value.length;
    if (left < 0) throw invalid("header.size", "is smaller than the file");
    yield piece.value;
  }
  if (left > 0) throw invalid("header.size", "is larger than the file");
}

function isRelative(path: string): boolean {
  if (path.length === 0 || path.length > 1_000 || path.includes("\0") || path.includes("\\")) return false;
  return path.split("/").every((part) => part !== "" && part !== "." && part !== "..");
}

function invalid(path: string, message: string): DomainError {
  return DomainError.ofFaults([{ path, reason: "FIELD_INVALID", message }]);
}
