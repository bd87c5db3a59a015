import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Client,
  Code,
  ConnectError,
  createClient,
  createRouterTransport,
  type Transport,
} from "@connectrpc/connect";
import { TaskStateService } from "../../../gen/antiphon/internal/v1/task_state_service_pb.ts";
import { TranscriptService } from "../../../gen/antiphon/internal/v1/transcript_service_pb.ts";
import { SchedulerService } from "../../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import type { Broker } from "../../../lib/broker/broker.ts";
import { MemoryBroker } from "../../../lib/broker/memory-broker.ts";
import { RedisBroker } from "../../../lib/broker/redis-broker.ts";
import { logger } from "../../../lib/log/log.ts";
import { Database } from "../../../lib/postgres/database.ts";
import type { TokenAudience } from "../../../lib/rpc/access.ts";
import type { Caller } from "../../../lib/rpc/authenticate.ts";
import { localTransport } from "../../../lib/rpc/local-transport.ts";
import type { RunningService } from "../../../lib/rpc/running-service.ts";
import { fileStorage } from "../../../lib/storage/file-storage.ts";
import type { Storage } from "../../../lib/storage/storage.ts";
import { scheduler } from "../../../services/scheduler/scheduler.ts";
import { aCaller } from "../../support/a-caller.ts";
import { FakeWorker } from "../../support/fake-worker.ts";
import { freshDatabase } from "../../support/fresh-database.ts";
import { startRedis } from "../../support/start-redis.ts";

/** Short, so that tests see leases lapse. */
export const leaseMs = 1_500;

const log = logger("test", process.env["TEST_LOG_LEVEL"] ?? "silent");

/** A token says who calls: `<audience>/<client>`. */
async function verify(token: string): Promise<Caller> {
  const [audience, clientId] = token.split("/");
  return aCaller({ clientId: clientId ?? "", audience: audience as TokenAudience });
}

/** One scheduler replica and the clients of it. */
export interface Replica extends AsyncDisposable {
  readonly incarnation: string;
  readonly client: Client<typeof SchedulerService>;
  readonly taskStates: Client<typeof TaskStateService>;
  readonly as: (token: string) => Transport;
  readonly fakeWorker: (workerId?: string) => FakeWorker;
}

/** Postgres, a broker, and as many replicas as a test asks for. */
export interface World extends AsyncDisposable {
  readonly db: Database;
  readonly databaseUrl: string;
  readonly broker: Broker;
  readonly storage: Storage;
  /** Where the storage keeps its files. */
  readonly storageFolder: string;
  /** The runs whose transcripts were to be deleted, in order; as often as they were asked for. */
  readonly transcriptsDeleted: readonly string[];
  readonly replica: () => Promise<Replica>;
}

export const brokers = ["memory", "redis"] as const;

/** `retentionMs` is how long runs are kept after their end; for ever unless given. */
export async function world(
  kind: (typeof brokers)[number],
  { retentionMs = 0 }: { readonly retentionMs?: number } = {},
): Promise<World> {
  const stack = new AsyncDisposableStack();
  const database = stack.use(await freshDatabase());
  const db = stack.use(new Database(database.url));
  const broker = stack.use(await openBroker(kind, stack));
  const folder = await mkdtemp(join(tmpdir(), "antiphon-storage-"));
  stack.defer(async () => await rm(folder, { recursive: true }));
  const transcriptsDeleted: string[] = [];
  const taskio = createRouterTransport(({ service }) => {
    service(TranscriptService, {
      deleteTranscripts({ runIds }) {
        transcriptsDeleted.push(...runIds);
        return { done: true };
      },
    });
  });
  const services = new Map<string, RunningService>();
  const transportOf = (service: RunningService, token: string) =>
    localTransport(service, { verify, log, token: async () => token });
  const replicas = stack.use(new AsyncDisposableStack());
  return {
    db,
    databaseUrl: database.url,
    broker,
    storage: fileStorage(folder),
    storageFolder: folder,
    transcriptsDeleted,
    async replica() {
      const incarnation = randomUUID();
      const address = `local:${incarnation}`;
      const own = replicas.use(new Database(database.url, { maxConnections: 4 }));
      const service = await scheduler({
        db: own,
        broker,
        storage: fileStorage(folder),
        log,
        incarnation,
        address,
        transportTo: (to) => {
          const found = services.get(to);
          return found === undefined ? nobody : transportOf(found, "internal/scheduler");
        },
        taskio: () => taskio,
        secretKey: "a secret of tests",
        settings: {
          leaseMs,
          heartbeatMs: 300,
          replicaLeaseMs: 3_000,
          workStream: "workflow:tasks",
          retentionMs,
        },
      });
      services.set(address, service);
      replicas.use(service);
      return {
        incarnation,
        client: createClient(SchedulerService, transportOf(service, "tasks-api/alice")),
        taskStates: createClient(TaskStateService, transportOf(service, "internal/taskio")),
        as: (token) => transportOf(service, token),
        fakeWorker: (workerId) =>
          new FakeWorker({
            broker,
            transport: transportOf(service, "workers-api/worker"),
            ...(workerId !== undefined && { workerId }),
          }),
        async [Symbol.asyncDispose]() {
          services.delete(address);
          await service[Symbol.asyncDispose]();
        },
      };
    },
    [Symbol.asyncDispose]: async () => await stack.disposeAsync(),
  };
}

/** Reaches a replica that is gone, as a network does: not at all. */
const nobody: Transport = {
  unary: async () => await Promise.reject(new ConnectError("connection refused", Code.Unavailable)),
  stream: async () => await Promise.reject(new ConnectError("connection refused", Code.Unavailable)),
};

async function openBroker(kind: (typeof brokers)[number], stack: AsyncDisposableStack): Promise<Broker> {
  if (kind === "memory") return new MemoryBroker();
  const redis = stack.use(await startRedis());
  return await RedisBroker.open({ url: redis.url });
}

/** JSON as the contract carries it. */
export const bytes = (value: unknown): Uint8Array<ArrayBuffer> =>
  new TextEncoder().encode(JSON.stringify(value));

/** What the contract carries, as JSON. */
export const valueOf = (content: Uint8Array | undefined): unknown =>
  JSON.parse(new TextDecoder().decode(content));
