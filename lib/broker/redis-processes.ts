import { readdir, readlink } from "node:fs/promises";
import { basename } from "node:path";
import { delay } from "../async/delay.ts";

/** How long a server may take to end by itself before it is killed, and to vanish after that. */
const patienceMs = { terminate: 3_000, kill: 2_000 };

/**
 * Ends every Redis or Valkey whose working directory this is, and resolves when
 * none is left: SIGTERM, then SIGKILL. Processes are known by their program and
 * directory, so a number that has gone to another process fools nobody. Finds
 * none where there is no /proc.
 *
 * `directory` is a real path. Resolves to whether there was any; rejects when
 * one survives SIGKILL.
 */
export async function endRedisIn(directory: string): Promise<boolean> {
  if ((await redisProcesses(directory)).length === 0) return false;
  for (const [name, withinMs] of [
    ["SIGTERM", patienceMs.terminate],
    ["SIGKILL", patienceMs.kill],
  ] as const) {
    for (const pid of await redisProcesses(directory)) signal(pid, name);
    if (await haveEnded(directory, withinMs)) return true;
  }
  throw new Error(`a redis in ${directory} does not end`);
}

async function redisProcesses(directory: string): Promise<number[]> {
  const names = await readdir("/proc").catch(() => []);
  const pids = names.map(Number).filter((pid) => Number.isInteger(pid));
  const isOurs = await Promise.all(pids.map((pid) => isRedisIn(pid, directory)));
  return pids.filter((_, index) => isOurs[index]);
}

async function isRedisIn(pid: number, directory: string): Promise<boolean> {
  const linkOf = (name: string): Promise<string> => readlink(`/proc/${pid}/${name}`).catch(() => "");
  if ((await linkOf("cwd")) !== directory) return false;
  return /^(redis|valkey)-/.test(basename(await linkOf("exe")));
}

async function haveEnded(directory: string, withinMs: number): Promise<boolean> {
  const deadlineMs = performance.now() + withinMs;
  while ((await redisProcesses(directory)).length > 0) {
    if (performance.now() > deadlineMs) return false;
    await delay(10);
  }
  return true;
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
