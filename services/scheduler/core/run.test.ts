import { expect, test } from "vitest";
import { aNode, aStart, begun } from "../../../test/support/a-run.ts";
import { standAloneTask } from "./run.ts";

test("a run that executes no workflow has a task that stands for it, and others have none", () => {
  const alone = begun(aStart([aNode("main")]));
  expect(standAloneTask(alone)?.name).toBe("main");
  expect(standAloneTask(begun(aStart([aNode("main")], { workflowId: "w1" })))).toBeUndefined();
});
