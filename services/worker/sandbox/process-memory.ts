import { processTree, readProcFile } from "./process-table.ts";

/**
 * The memory of a process and all below it, in bytes, what they share counted
 * once. A process that cannot be read counts nothing.
 *
 * Resident sizes would count shared pages once per process: a program with
 * twenty forks would seem to use ten times what it does.
 */
export function proportionalMemory(root: number): number {
  return processTree(root).reduce((sum, pid) => {
    const kibibytes = /^Pss:\s+(\d+) kB/m.exec(readProcFile(pid, "smaps_rollup") ?? "")?.[1];
    return sum + Number(kibibytes ?? 0) * 1024;
  }, 0);
}
