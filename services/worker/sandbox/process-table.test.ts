import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";
import { killForSure, killSession, until } from "./kill.ts";
import { identityOf, isAlive, processTree } from "./process-table.ts";

test("a pid with another start time is another process", () => {
  const self = identityOf(process.pid);
  expect(self && isAlive(self)).toBe(true);
  expect(isAlive({ pid: process.pid, startTime: "1" })).toBe(false);
});

test("kills only the process that was meant", async () => {
  const child = spawn("sleep", ["60"]);
  const identity = identityOf(child.pid ?? 0);
  if (!identity) throw new Error("the child has no identity");
  expect(await killForSure({ ...identity, startTime: "1" }, 100)).toBe(true);
  expect(isAlive(identity)).toBe(true);
  expect(await killForSure(identity, 5000)).toBe(true);
  expect(isAlive(identity)).toBe(false);
});

test("finds all that a process started, and ends its session", async () => {
  const child = spawn("sh", ["-c", "sh -c 'sleep 60 & sleep 60; true' & wait"], {
    detached: true,
    stdio: "ignore",
  });
  const exited = once(child, "exit");
  const session = child.pid ?? 0;
  expect(await until(() => processTree(session).length === 4, 5000)).toBe(true);
  expect(await killSession(session, 5000)).toBe(true);
  await exited;
});
