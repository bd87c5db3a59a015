import { expect, test } from "vitest";
import { definitionBody } from "./definition.ts";

const nodes = (count: number) => ({ name: "n", dag: { nodes: Array.from({ length: count }, () => ({})) } });

test("a definition with more nodes than a workflow may have is refused by their number alone", () => {
  const { error } = definitionBody.safeParse(nodes(10_001));
  expect(error?.issues.map(({ path, message }) => `${path.join(".")} ${message}`)).toEqual([
    "dag.nodes holds more than 10000 nodes",
  ]);
});

test("a definition with as many nodes as a workflow may have is looked at node by node", () => {
  const { error } = definitionBody.safeParse(nodes(10_000));
  expect(error?.issues.length).toBeGreaterThan(10_000);
});
