import { readdir, readFile } from "node:fs/promises";

/** The unit of the kernel's counters: 100 a second on every Linux that Node runs on. */
const tickMs = 10;

/** The processor time that this process and everything below it (services, Postgres, Redis) have used so far, in milliseconds. */
export async function cpuMs(): Promise<number> {
  const processes = new Map<number, { readonly parent: number; readonly ms: number }>();
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    // It may have ended since.
    const stat = await readFile(`/proc/${name}/stat`, "utf8").catch(() => undefined);
    if (stat !== undefined) processes.set(Number(name), partsOf(stat));
  }
  let sum = 0;
  for (const [pid, { ms }] of processes) if (isOurs(pid, processes)) sum += ms;
  return sum;
}

function isOurs(pid: number, processes: ReadonlyMap<number, { readonly parent: number }>): boolean {
  for (let at: number | undefined = pid; at !== undefined; at = processes.get(at)?.parent) {
    if (at === process.pid) return true;
  }
  return false;
}

/** The name in the middle may hold anything, also a closing parenthesis. */
function partsOf(stat: string): { readonly parent: number; readonly ms: number } {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return { parent: Number(fields[1]), ms: (Number(fields[11]) + Number(fields[12])) * tickMs };
}
