import { derivedUuid } from "./derived-uuid.ts";
import { partitionOf } from "./partition.ts";

/** A UUID that the same parts always give again, and that lies in a partition: the first of those that the parts and 0, 1, 2, … give. Takes as many digests as there are partitions, on the average. */
export function derivedInPartition(partition: number, ...parts: readonly string[]): string {
  for (let count = 0; ; count += 1) {
    const id = derivedUuid(...parts, String(count));
    if (partitionOf(id) === partition) return id;
  }
}
