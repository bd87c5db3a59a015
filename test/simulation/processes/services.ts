/*
 * Starts production's services in simulated processes: the same composition
 * functions as in their own processes, on simulated surroundings.
 */
import type { Broker } from "../../../lib/broker/broker.ts";
import type { Logger } from "../../../lib/log/log.ts";
import type { Database } from "../../../lib/postgres/database.ts";
import type { TokenAudience } from "../../../lib/rpc/access.ts";
import type { Storage } from "../../../lib/storage/storage.ts";
import { scheduler } from "../../../services/scheduler/scheduler.ts";
import { taskio } from "../../../services/taskio/taskio.ts";
import type { Isolation } from "../../../services/worker/isolation.ts";
import { type RunningWorker, worker } from "../../../services/worker/worker.ts";
import type { SimulatedDatabase } from "../postgres/simulated-database.ts";
import type { SimulatedProcess } from "../world/simulated-process.ts";
import type { Network } from "./network.ts";

/** How long a worker may be silent; the least that production allows. */
export const leaseMs = 10_000;

/** So much before the end of a lease a worker gives it up (`leaseMarginMs` of services/worker/worker.ts). */
export const leaseMarginMs = 5_000;

const heartbeatMs = 1_000;
const replicaLeaseMs = 4_000;
const workStream = "workflow:tasks";

/** What a simulated process reaches. */
export interface Surroundings {
  readonly process: SimulatedProcess;
  readonly db: SimulatedDatabase;
  readonly broker: Broker;
  readonly network: Network;
  readonly log: Logger;
  /** The process that has a name at the moment. */
  readonly named: (name: string) => SimulatedProcess | undefined;
  /** Some replica of the scheduler, as a gateway picks one. */
  readonly anyReplica: () => SimulatedProcess | undefined;
}

/** A replica of the scheduler. Resolves when it serves. */
export async function startReplica({
  process,
  db,
  broker,
  network,
  log,
  named,
}: Surroundings): Promise<AsyncDisposable> {
  const service = await scheduler({
    db: db as unknown as Database,
    broker,
    storage: noStorage,
    log,
    settings: { leaseMs, heartbeatMs, replicaLeaseMs, workStream, retentionMs: 0 },
    secretKey: "a secret of the simulation",
    address: process.name,
    transportTo: (address) => network.transport(process, () => named(address), internal("scheduler")),
    taskio: () => {
      throw new Error("no run is deleted here");
    },
  });
  network.serve(process, service);
  return service;
}

/** A worker. Resolves when it works. */
export async function startWorker(
  { process, broker, network, log, anyReplica }: Surroundings,
  slots: { readonly slots: number; readonly programSlots: number },
): Promise<RunningWorker> {
  return await worker({
    broker,
    scheduler: network.transport(process, anyReplica, { clientId: "workers", audience: "workers-api" }),
    isolation: { kind: "usable", sandbox: { report: { backend: "process" } } } as unknown as Isolation,
    settings: {
      workerId: process.name,
      stream: workStream,
      queues: [""],
      labels: {},
      group: "workflow_group",
      callSlots: 0,
      drainMs: 2_000,
      ...slots,
    },
    calls: {} as Parameters<typeof worker>[0]["calls"],
    standIns: false,
    log,
  });
}

/** A taskio. Resolves when it serves. */
export async function startTaskio({
  process,
  db,
  broker,
  network,
  log,
  anyReplica,
}: Surroundings): Promise<AsyncDisposable> {
  const service = await taskio({
    db,
    broker,
    scheduler: network.transport(process, anyReplica, internal("taskio")),
    log,
    settings: {
      lostAfterMs: 4_000,
      scanMs: 8_000,
      heartbeatMs: 15_000,
      behind: { entries: 8_192, bytes: 16_777_216 },
    },
  });
  network.serve(process, service);
  return service;
}

function internal(clientId: string): { readonly clientId: string; readonly audience: TokenAudience } {
  return { clientId, audience: "internal" };
}

/** No scripted handler leaves files behind. */
const noStorage: Storage = {
  put: async () => undefined,
  get: async () => undefined,
  copy: async () => false,
  remove: async () => undefined,
};
