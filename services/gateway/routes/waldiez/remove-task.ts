/*
 * Removes what clients see as one task.
 *
 *   R1. A schedule goes last, so that a removal that breaks off in the middle is
 *       found again and can be repeated; it is paused first, so that it starts
 *       nothing meanwhile.
 *   R2. A task whose end was asked for is over to its clients, so it is removed as
 *       one that has ended.
 */
import { fromConnectError } from "../../../../lib/rpc/from-connect-error.ts";
import { type Finding, type FoundTask, isFinal, statusOfFound } from "./found-task.ts";
import { inSlices } from "./in-slices.ts";

/** Removes a task; an active one only by force. */
export async function removeTask(
  found: FoundTask,
  { force, now }: { readonly force: boolean; readonly now: Date },
  finding: Finding,
): Promise<"removed" | "active"> {
  const status = statusOfFound(found, now);
  if (!isFinal(status) && !force) return "active";
  if (found.kind === "plain") {
    const { runId, endedAt } = found.task;
    return await removeRun(runId, { force: force || endedAt === undefined }, finding);
  }
  const { clients, signal } = finding;
  const { scheduleId } = found.schedule;
  const paused = { schedule: { scheduleId, paused: true }, updateMask: { paths: ["paused"] } };
  await clients.scheduler.updateSchedule(paused, { signal });
  await removeRunsOf(scheduleId, finding);
  await clients.scheduler.deleteSchedule({ scheduleId }, { signal });
  return "removed";
}

async function removeRunsOf(scheduleId: string, finding: Finding): Promise<void> {
  const { clients, signal } = finding;
  for (;;) {
    const { runs } = await clients.scheduler.listRuns({ scheduleId, pageSize: 100 }, { signal });
    if (runs.length === 0) return;
    await inSlices(runs, async ({ runId }) => await removeRun(runId, { force: true }, finding));
  }
}

async function removeRun(
  runId: string,
  { force }: { readonly force: boolean },
  { clients, signal }: Finding,
): Promise<"removed" | "active"> {
  try {
    await clients.scheduler.deleteRun({ runId, force }, { signal });
    return "removed";
  } catch (thrown) {
    const { reason } = fromConnectError(thrown);
    // Somebody else removed it meanwhile, or ran it again.
    if (reason === "RUN_NOT_FOUND") return "removed";
    if (reason === "NOT_ENDED") return "active";
    throw thrown;
  }
}
