import { readdir, readFile, readlink, realpath } from "node:fs/promises";
import { basename, join } from "node:path";
import { delay } from "../async/delay.ts";

/** How long each way of ending a server may take before the next, harsher one. */
const patienceMs = { fast: 10_000, immediate: 2_000, kill: 2_000 };

/**
 * Ends every process of the server on a cluster folder and resolves when none
 * is left: a fast shutdown, then an immediate one, then SIGKILL. Processes are
 * known by their program and working directory, so a number that has gone to
 * another process fools nobody.
 *
 * Resolves to whether there was any. Rejects when one survives SIGKILL.
 */
export async function endPostgres(cluster: string): Promise<boolean> {
  if ((await postgresProcesses(cluster)).length === 0) return false;
  await signalPostmaster(cluster, "SIGINT");
  if (await hasEnded(cluster, patienceMs.fast)) return true;
  await signalPostmaster(cluster, "SIGQUIT");
  if (await hasEnded(cluster, patienceMs.immediate)) return true;
  for (const pid of await postgresProcesses(cluster)) signal(pid, "SIGKILL");
  if (await hasEnded(cluster, patienceMs.kill)) return true;
  throw new Error(`a Postgres on ${cluster} does not end`);
}

/** All processes of a server on this cluster folder, the postmaster and its children. */
export async function postgresProcesses(cluster: string): Promise<number[]> {
  const directory = await realpath(cluster).catch(() => undefined);
  if (directory === undefined) return [];
  const pids = (await readdir("/proc"))
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && pid !== process.pid);
  const isOurs = await Promise.all(pids.map((pid) => isPostgresIn(pid, directory)));
  return pids.filter((_, index) => isOurs[index]);
}

async function isPostgresIn(pid: number, directory: string): Promise<boolean> {
  const linkOf = (name: string): Promise<string> =>
    readlink(join("/proc", String(pid), name)).catch(() => "");
  if ((await linkOf("cwd")) !== directory) return false;
  return basename((await linkOf("exe")).replace(/ \(deleted\)$/, "")) === "postgres";
}

/** A signal to the postmaster, or, where that is dead, to the children it left; they know the same signals less kindly. */
async function signalPostmaster(cluster: string, name: "SIGINT" | "SIGQUIT"): Promise<void> {
  const alive = await postgresProcesses(cluster);
  const recorded = Number.parseInt(
    await readFile(join(cluster, "postmaster.pid"), "utf8").catch(() => ""),
    10,
  );
  if (alive.includes(recorded)) return signal(recorded, name);
  for (const pid of alive) signal(pid, "SIGQUIT");
}

async function hasEnded(cluster: string, withinMs: number): Promise<boolean> {
  const deadlineMs = performance.now() + withinMs;
  while ((await postgresProcesses(cluster)).length > 0) {
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
