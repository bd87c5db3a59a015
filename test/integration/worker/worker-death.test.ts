import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { chmod } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { until } from "../../../services/worker/sandbox/kill.ts";
import { openSandbox } from "../../../services/worker/sandbox/open-sandbox.ts";
import { processesOf, processTree } from "../../../services/worker/sandbox/process-table.ts";
import { asRoot, SandboxUnderTest } from "./sandboxed-run.ts";

const firstUid = 41_000;
const uids = [firstUid, firstUid + 1];

let directory: string;
const workers: ChildProcess[] = [];

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "sbx-"));
  await chmod(directory, 0o755);
});

afterEach(async () => {
  for (const worker of workers.splice(0)) {
    worker.kill("SIGKILL");
    if (worker.exitCode === null && worker.signalCode === null) await once(worker, "exit");
  }
  await until(() => living().length === 0, 5000);
  rmSync(directory, { recursive: true, force: true });
});

/** The processes of the slots' uids; as an ordinary user, those that name the folder. */
const living = (): readonly number[] => (asRoot ? uids.flatMap((uid) => processesOf(uid)) : []);

/** Starts a worker and waits until its two programs run. */
async function aWorker(backend: "bubblewrap" | "process" = "bubblewrap"): Promise<ChildProcess> {
  const program = join(import.meta.dirname, "worker-program.ts");
  const worker = spawn(process.execPath, [program, directory, String(firstUid), backend], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  workers.push(worker);
  await Promise.race([once(worker.stdout ?? worker, "data"), once(worker, "exit")]);
  expect(worker.exitCode).toBeNull();
  return worker;
}

const open = (backend: "bubblewrap" | "process" = "bubblewrap") =>
  openSandbox({ backend, allowUnsafeProcess: true, directory, slots: 2, firstUid });

test("77: programs die with a worker that is killed, and its slots are taken over clean", async () => {
  const worker = await aWorker();
  const programs = processTree(worker.pid ?? 0).slice(1);
  expect(programs.length).toBeGreaterThanOrEqual(8);
  worker.kill("SIGKILL");
  await once(worker, "exit");
  expect(await until(() => programs.every((pid) => !isLiving(pid)), 5000)).toBe(true);
  expect(living()).toEqual([]);

  const opened = await open();
  if (opened.kind === "unusable") throw new Error(opened.reason);
  await using sandbox = opened.sandbox;
  expect(sandbox.slots).toBe(2);
  const folders = readdirSync(join(directory, "slots"));
  expect(folders).toHaveLength(2);
  expect(folders.flatMap((name) => readdirSync(join(directory, "slots", name, "inputs")))).toEqual([]);
});

test.runIf(asRoot)(
  "what a killed worker's plain processes left running is ended by the next worker",
  async () => {
    const worker = await aWorker("process");
    worker.kill("SIGKILL");
    await once(worker, "exit");
    expect(living().length).toBeGreaterThan(0);
    const opened = await open("process");
    if (opened.kind === "unusable") throw new Error(opened.reason);
    await using _ = opened.sandbox;
    expect(living()).toEqual([]);
  },
);

test("79: two workers in one folder never share a slot", async () => {
  await aWorker();
  const opened = await open();
  if (opened.kind === "unusable") throw new Error(opened.reason);
  await using sandbox = opened.sandbox;
  expect(sandbox.slots).toBe(2);
  expect(readdirSync(join(directory, "slots"))).toHaveLength(4);
});

test("76: a start that is aborted at any moment leaves nothing", async () => {
  const under = await SandboxUnderTest.open({ firstUid: firstUid + 100, slots: 2 });
  const ends: string[] = [];
  const start = async (afterMs: number) => {
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), afterMs);
    await using program = await under.start({ command: () => ["/bin/sleep", "60"] }, abort.signal);
    const end = await program.exited;
    clearTimeout(timer);
    ends.push(end.kind === "signalled" ? end.signal : end.kind);
  };
  for (let round = 0; round < 50; round += 1)
    await Promise.all([start((round % 25) / 2), start(12 - (round % 25) / 2)]);
  expect(new Set(ends)).toEqual(new Set(["SIGKILL"]));
  expect(under.leftovers()).toEqual([]);
  await under.close();
});

test("closing a sandbox ends the programs that run in it", async () => {
  const under = await SandboxUnderTest.open({ firstUid: firstUid + 200, slots: 1 });
  const program = await under.start({ command: () => ["/bin/sleep", "60"] });
  await expect(under.start({ command: () => ["/bin/true"] })).rejects.toThrow("no slot is free");
  await under.sandbox[Symbol.asyncDispose]();
  expect(await program.exited).toEqual({ kind: "signalled", signal: "SIGKILL" });
  expect(under.leftovers()).toEqual([]);
  rmSync(under.directory, { recursive: true });
});

function isLiving(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
