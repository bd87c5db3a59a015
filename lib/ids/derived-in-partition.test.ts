import { describe, expect, test } from "vitest";
import { derivedInPartition } from "./derived-in-partition.ts";
import { partitionCount, partitionOf } from "./partition.ts";

describe("derivedInPartition", () => {
  test("gives an id in every partition, the same for the same parts and another for others", () => {
    const ids = new Set<string>();
    for (let partition = 0; partition < partitionCount; partition += 1) {
      const id = derivedInPartition(partition, "firing", "a");
      expect(partitionOf(id)).toBe(partition);
      expect(derivedInPartition(partition, "firing", "a")).toBe(id);
      ids.add(id).add(derivedInPartition(partition, "firing", "b"));
    }
    expect(ids.size).toBe(2 * partitionCount);
  });
});
