import { derivedUuid } from "./derived-uuid.ts";
import { partitionCount } from "./partition.ts";

/** A UUID that the same parts always give again, and that lies in a partition. */
export function derivedInPartition(partition: number, ...parts: readonly string[]): string {
  const id = derivedUuid(...parts);
  const first = Number.parseInt(id.slice(0, 8), 16);
  const moved = first - (first % partitionCount) + partition;
  return moved.toString(16).padStart(8, "0") + id.slice(8);
}
