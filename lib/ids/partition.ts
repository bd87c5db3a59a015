/** How many partitions the runs are spread over. Fixed for ever by the first migration of the scheduler. */
export const partitionCount = 64;

/** The partition of a run: ids are digests, so their first bytes spread evenly. */
export function partitionOf(runId: string): number {
  return Number.parseInt(runId.slice(0, 8), 16) % partitionCount;
}
