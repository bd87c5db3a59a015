import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const tests = fileURLToPath(new URL("../../../sdk/python/tests", import.meta.url));

test("the tests of the Python module pass on this machine's Python", async () => {
  const child = spawn("/usr/bin/python3", ["-m", "unittest", "discover", "-s", tests], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  const report = await text(child.stderr);
  expect(await ended, report).toBe(0);
  expect(Number(/^Ran (\d+) tests/m.exec(report)?.[1])).toBeGreaterThan(20);
});
