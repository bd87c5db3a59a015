/* The limits that docs/workflows.md lists are those that the core has. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { maxFaults, maxNodes } from "./check-definition.ts";
import { maxLostAttempts } from "./evolve.ts";
import { maxJsonDepth } from "./json.ts";
import { maxDepth } from "./open-engine-task.ts";
import { maxRetryDelayMs } from "./retry.ts";
import { maxEvents, maxTasks } from "./run.ts";

const page = readFileSync(new URL("../../../docs/workflows.md", import.meta.url), "utf8");
const [, section = ""] = page.split("\n## Limits\n");
const limits = new Map(
  section.split("\n").flatMap((line) => {
    const [, what, limit] = /^\| (.*?) \| (.*?) \|$/.exec(line) ?? [];
    return what === undefined || limit === undefined ? [] : [[what, limit] as const];
  }),
);

test.each([
  ["nodes of a workflow", maxNodes.toLocaleString("en")],
  ["faults that are listed at once", String(maxFaults)],
  ["nesting of JSON", `${maxJsonDepth} levels`],
  ["delays of a `retry` policy, or named by a handler", `${maxRetryDelayMs / (24 * 3_600_000)} days`],
  [
    "attempts that are lost with their worker",
    `${maxLostAttempts}, then the task fails with \`WORKER_LOST\``,
  ],
  ["runs that start runs", `${maxDepth} deep`],
  ["events of a run", maxEvents.toLocaleString("en")],
  ["tasks of a run, items included", maxTasks.toLocaleString("en")],
])("%s: %s", (what, limit) => {
  expect(limits.get(what)).toBe(limit);
});
