import { isAbsolute, join, normalize } from "node:path";
import type { ProgramLimits } from "./limits.ts";
import { outputFolder } from "./program-environment.ts";
import type { Mount, Places } from "./sandbox.ts";
import type { Slot } from "./slots.ts";
import { etcArguments, systemArguments } from "./system-files.ts";

/** Where things are in every sandbox. */
export const places: Places = { home: "/box", inputs: "/inputs", at: (path) => path };

/** Where the program finds its socket. */
export const channelFolder = "/run/antiphon";

/** Descriptors of the sandbox beyond the standard streams. */
export const descriptors = { filter: 3, status: 4, block: 5, gate: 6, options: 7 } as const;

/** Targets that are the sandbox's own, or that a program can write. */
const reservedTargets = ["/box", "/tmp", "/dev", "/proc", "/sys", "/etc", "/usr", "/run/antiphon", "/inputs"];

/**
 * The options of one sandbox, as bubblewrap reads them from a descriptor: what
 * stands on a command line everyone on the machine can read.
 *
 * Order matters. Nothing is mounted or made below a path that a program could
 * have written (bubblewrap before 0.12 follows links that lie there out of the
 * sandbox); the home is a new tmpfs, filled before the program exists, and
 * every writable file system is bounded. Throws TypeError for a mount that
 * breaks this.
 */
export function sandboxOptions({
  slot,
  limits,
  mounts,
  inputNames,
  environment,
}: {
  slot: Slot;
  limits: ProgramLimits;
  mounts: readonly Mount[];
  inputNames: readonly string[];
  environment: Readonly<Record<string, string>>;
}): readonly string[] {
  mounts.forEach(checkMount);
  const size = (bytes: number) => ["--size", String(Math.ceil(bytes))];
  return [
    ["--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent", "--new-session"],
    systemArguments(),
    etcArguments(slot),
    ["--proc", "/proc", "--dev", "/dev"],
    [...size(limits.sharedMemoryBytes), "--tmpfs", "/dev/shm"],
    ["--perms", "1777", ...size(limits.temporaryBytes), "--tmpfs", "/tmp"],
    ["--ro-bind", join(slot.folder, "channel"), channelFolder],
    ["--ro-bind", join(slot.folder, "inputs"), places.inputs],
    mounts.flatMap(({ source, target }) => ["--ro-bind", source, target]),
    ["--perms", "0700", ...size(limits.homeBytes), "--tmpfs", places.home],
    ["--dir", `${places.home}/${outputFolder}`],
    inputNames.flatMap((name) => ["--symlink", `${places.inputs}/${name}`, `${places.home}/${name}`]),
    ["--remount-ro", "/dev", "--remount-ro", "/"],
    ["--cap-drop", "ALL", "--hostname", "sandbox", "--chdir", places.home],
    ["--seccomp", String(descriptors.filter)],
    ["--json-status-fd", String(descriptors.status), "--block-fd", String(descriptors.block)],
    ["--clearenv"],
    Object.entries(environment).flatMap(([name, value]) => ["--setenv", name, value]),
  ].flat();
}

/**
 * What runs first in the sandbox: it says that the sandbox stands, waits for
 * the word, and becomes the program. When the worker dies before the word, the
 * program never begins.
 */
export function gated(command: readonly string[], resourceLimits: readonly string[]): readonly string[] {
  const { filter, status, block, gate, options } = descriptors;
  const closed = [filter, status, block, gate, options].map((descriptor) => `${descriptor}>&-`).join(" ");
  const script = `echo ready >&${gate}; read -r word <&${gate} || exit 125; exec ${closed}; exec "$@"`;
  return ["/bin/sh", "-c", script, "gate", "/usr/bin/prlimit", ...resourceLimits, "--", ...command];
}

function checkMount({ source, target }: Mount): void {
  for (const path of [source, target]) {
    if (!isAbsolute(path) || normalize(path) !== path || path.endsWith("/") || path.includes("\0")) {
      throw new TypeError(`mount path ${path} must be absolute and plain`);
    }
  }
  const isBelow = (folder: string) => target === folder || target.startsWith(`${folder}/`);
  if (target === "/" || reservedTargets.some(isBelow))
    throw new TypeError(`nothing can be mounted at ${target}`);
}
