import { type Client, createClient } from "@connectrpc/connect";
import { SchedulerService } from "../../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { TaskIOService } from "../../../gen/antiphon/taskio/v1/taskio_service_pb.ts";
import type { Ledger } from "../checks/ledger.ts";
import type { TranscriptChecks } from "../checks/transcript-checks.ts";
import type { Violations } from "../checks/violations.ts";
import type { SimulatedProcess } from "../world/simulated-process.ts";
import type { World } from "../world/world.ts";
import type { Network } from "./network.ts";

/** What people who use Antiphon reach, and what they are told apart from it. */
export interface People {
  readonly world: World;
  readonly process: SimulatedProcess;
  readonly network: Network;
  readonly ledger: Ledger;
  readonly violations: Violations;
  readonly transcripts: Pick<TranscriptChecks, "isStored">;
  readonly anyReplica: () => SimulatedProcess | undefined;
  readonly anyTaskio: () => SimulatedProcess | undefined;
}

/** A call that is not answered by then is made again. */
export const patience = { timeoutMs: 6_000 } as const;

/** The scheduler as a client calls it: some replica each time. */
export function schedulerFor(
  { network, process, anyReplica }: People,
  clientId: string,
): Client<typeof SchedulerService> {
  const token = { clientId, audience: "tasks-api" } as const;
  return createClient(SchedulerService, network.transport(process, anyReplica, token));
}

/** As `schedulerFor`. */
export function taskioFor(
  { network, process, anyTaskio }: People,
  clientId: string,
): Client<typeof TaskIOService> {
  const token = { clientId, audience: "tasks-api" } as const;
  return createClient(TaskIOService, network.transport(process, anyTaskio, token));
}
