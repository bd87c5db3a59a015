import { expect, test } from "vitest";
import { aNode, at } from "../../test/support/a-run.ts";
import { RunLoader } from "./run-loader.ts";

/** A loader of workflows whose definitions have about so many characters, and what it reads. */
function aLoader(length: number) {
  const reads: string[] = [];
  const definition = { name: "w", nodes: [aNode("A", [], { config: { text: "x".repeat(length) } })] };
  const history = {
    eventsOf: async () => [],
    eventsToDecide: async () => ({ events: [], deleted: [] }),
  };
  const loader = new RunLoader(history, {
    async read(workflowIds) {
      reads.push(...workflowIds);
      const stored = { clientId: "c", version: "v", createdAt: at, appliedAt: at, definition };
      return new Map(workflowIds.map((workflowId) => [workflowId, { workflowId, ...stored }]));
    },
  });
  return { loader, reads };
}

test("keeps the plans that were used last", async () => {
  const { loader, reads } = aLoader(10);
  for (const workflowId of ["a", "b", "a", "b"]) await loader.plansOf([workflowId]);
  expect(reads).toEqual(["a", "b"]);
});

test("keeps few plans of large definitions, and those that were used last", async () => {
  const { loader, reads } = aLoader(6_000_000);
  for (const workflowId of ["a", "b", "a", "c", "a", "b"]) {
    expect((await loader.plansOf([workflowId])).get(workflowId)?.definition.name).toBe("w");
  }
  expect(reads).toEqual(["a", "b", "c", "b"]);
});
