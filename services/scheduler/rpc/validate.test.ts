import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { DagSchema } from "../../../gen/antiphon/scheduler/v1/workflow_pb.ts";
import { definitionOf } from "./validate.ts";

const queueOf = (queue: string) => {
  const dag = create(DagSchema, { nodes: [{ id: "A", handler: "noop", queue }] });
  const { definition, faults } = definitionOf({ name: "w", dag, inputSchema: new Uint8Array() }, () => true);
  expect(faults).toEqual([]);
  return definition.nodes[0]?.queue;
};

test("the default queue has its name, as for workers, or none", () => {
  expect([queueOf(""), queueOf("default"), queueOf("gpu")]).toEqual([undefined, undefined, "gpu"]);
});
