import { spawn } from "node:child_process";
import { once } from "node:events";
import { delay } from "../../../lib/async/delay.ts";
import { isAlive, type ProcessIdentity, processesInSession, processesOf } from "./process-table.ts";

/*
 * The sure kill.
 *
 *   K1. A pid is signalled only while its start time is the one we know, so
 *       that a pid which was used again is left alone.
 *   K2. The first process of a pid namespace takes all others with it, and is
 *       gone only after them: once it is gone, the namespace is empty.
 *   K3. `kill -1` reaches all processes of a uid at one moment; none can fork
 *       its way out, as it could between two looks at a list.
 *   K4. Nothing is believed dead that was not looked for.
 */

const lookEveryMs = 2;

/** Signals exactly this process; false when it is gone. */
export function signal(identity: ProcessIdentity, name: NodeJS.Signals): boolean {
  return isAlive(identity) && send(identity.pid, name);
}

/** Signals the process group that this process leads or led; false when there is none. */
export function signalGroup(leader: ProcessIdentity, name: NodeJS.Signals): boolean {
  return isAlive(leader) && send(-leader.pid, name);
}

/** Kills a process and waits until it is gone; false when it outlives `withinMs`. */
export async function killForSure(identity: ProcessIdentity, withinMs: number): Promise<boolean> {
  signal(identity, "SIGKILL");
  return await until(() => !isAlive(identity), withinMs);
}

/**
 * Kills every process of a uid and waits until none is left; false when some
 * outlive `withinMs`. Throws for uid 0 and the worker's own uid. Only root can
 * do this.
 */
export async function killAllOf(uid: number, withinMs: number): Promise<boolean> {
  if (uid === 0 || uid === process.getuid?.())
    throw new RangeError(`refusing to kill every process of uid ${uid}`);
  const deadline = performance.now() + withinMs;
  while (processesOf(uid).length > 0) {
    if (performance.now() > deadline) return false;
    const killer = spawn("/bin/sh", ["-c", "kill -9 -1"], {
      uid,
      gid: uid,
      stdio: "ignore",
      env: {},
      cwd: "/",
    });
    await once(killer, "exit");
    await until(() => processesOf(uid).length === 0, 50);
  }
  return true;
}

/**
 * Kills every process of a session and waits until none is left; false when
 * some outlive `withinMs`. What made a session of its own is not found.
 */
export async function killSession(session: number, withinMs: number): Promise<boolean> {
  return await until(() => {
    const members = processesInSession(session);
    for (const pid of members) send(pid, "SIGKILL");
    return members.length === 0;
  }, withinMs);
}

/** Looks until `holds`, at most `withinMs`. */
export async function until(holds: () => boolean, withinMs: number): Promise<boolean> {
  const deadline = performance.now() + withinMs;
  while (!holds()) {
    if (performance.now() > deadline) return false;
    await delay(lookEveryMs);
  }
  return true;
}

function send(pid: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
}
