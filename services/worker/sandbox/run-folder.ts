import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, chown, mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join, normalize } from "node:path";
import type { Slot } from "./slots.ts";

/*
 * What a slot's folder holds besides its lock:
 *
 *   stdin stdout stderr   FIFOs; kept for the life of the slot
 *   channel/ctl.sock      the program's socket
 *   inputs/               the program's input files
 *   etc/                  the sandbox's /etc
 *   home/                 the program's home, where no tmpfs takes its place
 */

/** The FIFOs' names. */
export const streamNames = ["stdin", "stdout", "stderr"] as const;

/**
 * Empties a slot's folder and lays out what every run needs. Only for the
 * holder of the lock, when no process of the slot is alive.
 *
 * FIFOs and not Node's pipes, which are sockets: a program that opens
 * /dev/stdout would get ENXIO. They belong to the program's uid, so that it
 * may open them again.
 */
export async function prepareFolder({ folder, uid, gid }: Slot): Promise<void> {
  for (const name of await readdir(folder)) if (name !== "lock") await removeTree(join(folder, name));
  await makeReadable(join(folder, "channel"));
  await makeReadable(join(folder, "inputs"));
  const paths = streamNames.map((name) => join(folder, name));
  await run("mkfifo", ["-m", "600", ...paths]);
  await Promise.all(paths.map((path) => chown(path, uid, gid)));
}

/** Writes the input files, readable and not writable for the program. Throws TypeError for a name that leaves the folder. */
export async function writeInputs({ folder }: Slot, inputs: ReadonlyMap<string, Uint8Array>): Promise<void> {
  const root = join(folder, "inputs");
  for (const [name, bytes] of inputs) {
    checkInputName(name);
    const parts = name.split("/");
    for (let depth = 1; depth < parts.length; depth += 1)
      await makeReadable(join(root, ...parts.slice(0, depth)));
    const path = join(root, name);
    await writeFile(path, bytes, { flag: "wx" });
    // Executable, since a file may be a script that is the program.
    await chmod(path, 0o555);
  }
}

/** The first elements of the input names: what the home folder links to. */
export function topNames(inputs: ReadonlyMap<string, Uint8Array>): readonly string[] {
  return [...new Set([...inputs.keys()].map((name) => name.split("/")[0] ?? name))];
}

/** Removes the input files of a run. */
export async function removeInputs({ folder }: Slot): Promise<void> {
  for (const name of await readdir(join(folder, "inputs"))) {
    await rm(join(folder, "inputs", name), { recursive: true, force: true });
  }
}

/**
 * Removes a folder that a stranger filled, when none of its processes lives.
 *
 * By rm(1), which walks by descriptors: paths of any depth go, no link is
 * followed. For an ordinary user, folders that the program closed are opened
 * first. Throws when something stays.
 */
export async function removeTree(path: string): Promise<void> {
  if (process.getuid?.() !== 0) await run("chmod", ["-R", "u+rwX", "--", path]).catch(() => undefined);
  await run("rm", ["-rf", "--", path]);
}

/** Makes a folder that every uid may read, whatever the umask. */
async function makeReadable(path: string): Promise<void> {
  await mkdir(path, { recursive: true });
  await chmod(path, 0o755);
}

function checkInputName(name: string): void {
  const isPlain = name !== "" && !name.includes("\0") && !name.startsWith("/") && normalize(name) === name;
  const parts = name.split("/");
  if (
    !isPlain ||
    parts.includes("..") ||
    parts.includes(".") ||
    parts.includes("") ||
    parts[0] === "output"
  ) {
    throw new TypeError("an input file needs a relative name below the inputs folder, not output");
  }
}

async function run(command: string, argv: readonly string[]): Promise<void> {
  const child = spawn(command, argv, { stdio: "ignore" });
  const [code] = (await once(child, "exit")) as [number | null];
  if (code !== 0) throw new Error(`${command} ended with ${code}`);
}
