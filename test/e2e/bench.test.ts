import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { root } from "../support/antiphon-processes.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

/** Seven seconds on two quiet cores. */
const deadlineMs = 300_000;

test("the bench measures every subject", { timeout: deadlineMs }, async () => {
  await using folder = await temporaryFolder("bench");
  const file = join(folder.path, "bench.json");
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["bench/bench.ts", "--quick", "--json", file],
    { cwd: root, timeout: deadlineMs - 10_000 },
  );
  const { results } = JSON.parse(await readFile(file, "utf8")) as {
    results: Record<string, { median: number }>;
  };
  for (const [name, { median }] of Object.entries(results)) expect(median, name).toBeGreaterThanOrEqual(0);
  expect(Object.keys(results)).toEqual(
    expect.arrayContaining(["pipeFan", "bullmqFan", "fanDrained", "chain"]),
  );
  expect(stdout).toContain("0.5 of the pipe");
});
