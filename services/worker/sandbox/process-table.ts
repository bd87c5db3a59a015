import { readdirSync, readFileSync } from "node:fs";

/** One process for ever: a pid is used again, a pid with its start time is not. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks after boot. */
  readonly startTime: string;
}

/** The identity of a living process; undefined when there is none, or only its unread exit code. */
export function identityOf(pid: number): ProcessIdentity | undefined {
  const startTime = livingStat(pid)?.[19];
  return startTime === undefined ? undefined : { pid, startTime };
}

/** Whether that very process lives. */
export function isAlive({ pid, startTime }: ProcessIdentity): boolean {
  return identityOf(pid)?.startTime === startTime;
}

/** The living processes with any of their uids (real, effective, saved) equal to `uid`. */
export function processesOf(uid: number): readonly number[] {
  return allPids().filter((pid) => {
    const uids = /^Uid:\s+(\d+)\s+(\d+)\s+(\d+)/m.exec(readProcFile(pid, "status") ?? "");
    return uids?.includes(String(uid), 1) === true && livingStat(pid) !== undefined;
  });
}

/** The living processes of a session. */
export function processesInSession(session: number): readonly number[] {
  return allPids().filter((pid) => livingStat(pid)?.[3] === String(session));
}

/** The process and all below it, as far as it can be seen. */
export function processTree(root: number): readonly number[] {
  const tree = [root];
  for (const pid of tree) tree.push(...childrenOf(pid));
  return tree;
}

function allPids(): readonly number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => Number.isInteger(pid));
}

/** The fields of /proc/PID/stat from the state on; undefined for a process that is gone or only waits to be reaped. */
function livingStat(pid: number): readonly string[] | undefined {
  const stat = readProcFile(pid, "stat");
  // The name in parentheses may itself hold spaces and parentheses.
  const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields?.[0] === "Z" || fields?.[0] === "X" ? undefined : fields;
}

function childrenOf(pid: number): readonly number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
      (readProcFile(pid, `task/${thread}/children`) ?? "").split(" ").filter(Boolean).map(Number),
    );
  } catch {
    return [];
  }
}

/** A file of /proc; undefined when the process is gone or not ours to see. */
export function readProcFile(pid: number, name: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${name}`, "utf8");
  } catch {
    return undefined;
  }
}
