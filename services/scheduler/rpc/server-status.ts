import type { ServiceImpl } from "@connectrpc/connect";
import type { SchedulerService } from "../../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import type { MachineLoad } from "../machine-load.ts";
import type { ServerStatusStore } from "../server-status-store.ts";

/** GetServerStatus: how busy everything is, and the machine that answers. */
export function getServerStatus({
  statuses,
  machine,
  leaseMs,
}: {
  readonly statuses: ServerStatusStore;
  readonly machine: Pick<MachineLoad, "status">;
  /** How long ago a living worker was seen at most. */
  readonly leaseMs: number;
}): ServiceImpl<typeof SchedulerService>["getServerStatus"] {
  return async () => {
    const { activeTasks, pendingTasks, programSlots } = await statuses.read(leaseMs);
    const { cpuCount, cpuPercent, totalMemory, usedMemory } = machine.status();
    return {
      activeTasks: BigInt(activeTasks),
      pendingTasks: BigInt(pendingTasks),
      programSlots: BigInt(programSlots),
      cpuCount,
      cpuPercent,
      totalMemory: BigInt(totalMemory),
      usedMemory: BigInt(usedMemory),
    };
  };
}
