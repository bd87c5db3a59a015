import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { DagSchema } from "../gen/antiphon/scheduler/v1/workflow_pb.ts";
import { awaitedSignals } from "./awaited-signals.ts";

test("names what the nodes of a definition wait for", () => {
  expect(awaitedSignals(aDag({ signal: "paid" }, { signal: "shipped" }))).toEqual(["paid", "shipped"]);
  expect(awaitedSignals(create(DagSchema, { nodes: [{ id: "A", handler: "noop" }] }))).toEqual([]);
});

test.each([[{ signal: "{{ input.name }}" }], [undefined], [{ signal: 1 }]])(
  "does not claim to know what a node with %j waits for",
  (config) => {
    expect(awaitedSignals(aDag({ signal: "paid" }, config))).toBeUndefined();
  },
);

function aDag(...configs: readonly (object | undefined)[]) {
  return create(DagSchema, {
    nodes: configs.map((config, index) => ({
      id: `n${index}`,
      handler: "wait_for_signal",
      ...(config && { config: Buffer.from(JSON.stringify(config)) }),
    })),
  });
}
