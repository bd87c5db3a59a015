import { spawn } from "node:child_process";
import { closeSync, constants, openSync } from "node:fs";
import { chown, mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { HomeFolder } from "./home-folder.ts";
import { coveredStdio, inheritedDescriptors } from "./inherited-descriptors.ts";
import { killAllOf, killSession, signalGroup } from "./kill.ts";
import type { Backend, Launched, NotLaunched, Run } from "./launch.ts";
import { resourceLimitArguments } from "./limits.ts";
import { proportionalMemory } from "./process-memory.ts";
import { identityOf } from "./process-table.ts";
import { exitOf } from "./program-end.ts";
import { outputFolder } from "./program-environment.ts";
import { removeTree } from "./run-folder.ts";
import type { Mount, Places, SandboxReport } from "./sandbox.ts";
import { type Slot, socketName } from "./slots.ts";

const killWithinMs = 10_000;

/**
 * Runs trusted programs as plain processes: a uid of their own when the worker
 * is root, no new rights, resource limits, and nothing else.
 *
 * A program sees the host's processes, readable files and network. For a
 * worker that is an ordinary user, it is that user.
 */
export class PlainProcess implements Backend {
  readonly report: SandboxReport;
  readonly #inherited = inheritedDescriptors();

  constructor(ownUids: boolean) {
    this.report = {
      backend: "process",
      memory: "watcher",
      processes: ownUids ? "rlimit" : "none",
      cores: "none",
      storage: "rlimit",
      ownUids,
      missing: [
        "programs are not isolated: they see the host's processes, readable files and network",
        "memory is only watched: a fast program can overshoot its limit for a moment",
        "a program may keep all cores busy",
        "storage is bounded by the size of one file only",
        ...(ownUids
          ? []
          : ["programs run as the worker's own user, and one that leaves its session outlives its end"]),
      ],
    };
  }

  places({ folder }: Slot, mounts: readonly Mount[]): Places {
    const byLength = [...mounts].sort((one, other) => other.target.length - one.target.length);
    return {
      home: join(folder, "home"),
      inputs: join(folder, "inputs"),
      at: (path) => {
        const mount = byLength.find(({ target }) => path === target || path.startsWith(`${target}/`));
        return mount ? mount.source + path.slice(mount.target.length) : path;
      },
    };
  }

  socket({ folder }: Slot): string {
    return join(folder, socketName);
  }

  /** The slot's processes are ended, and its folder is emptied, before this is called. */
  async sweep(): Promise<void> {}

  async launch(run: Run, signal: AbortSignal | undefined): Promise<Launched | NotLaunched> {
    const { slot } = run;
    const home = this.places(slot, []).home;
    await makeHome(home, run);
    const nothing = openSync("/dev/null", constants.O_RDWR);
    try {
      if (signal?.aborted) return await notLaunched(home);
      const child = spawn("setpriv", setprivArguments(run), {
        stdio: coveredStdio([...run.streams.child], this.#inherited, nothing),
        env: run.environment,
        cwd: home,
        detached: true,
        ...(slot.hasOwnUid && { uid: slot.uid, gid: slot.gid }),
      });
      const ended = exitOf(child);
      const { pid } = child;
      if (pid === undefined) {
        const { fault } = await ended;
        return await notLaunched(home, fault);
      }
      // None when the program has ended before it could be looked at.
      const leader = identityOf(pid);
      const folder = HomeFolder.open(home);
      return {
        kind: "launched",
        home: folder,
        ended,
        terminate: () => {
          if (leader !== undefined) signalGroup(leader, "SIGTERM");
        },
        kill: async () =>
          slot.hasOwnUid ? await killAllOf(slot.uid, killWithinMs) : await killSession(pid, killWithinMs),
        outOfMemory: () => false,
        passedLimit: async () => (proportionalMemory(pid) > run.limits.memoryBytes ? "memory" : undefined),
        remove: async () => {
          await removeTree(home);
          return true;
        },
      };
    } finally {
      closeSync(nothing);
    }
  }
}

/** The limit of processes counts all of a uid: only a uid of the slot's own can bear it. */
function setprivArguments({ limits, slot, command }: Run): readonly string[] {
  const all = resourceLimitArguments(limits, true);
  const resourceLimits = slot.hasOwnUid ? all : all.filter((limit) => !limit.startsWith("--nproc="));
  return ["--no-new-privs", "--pdeathsig", "KILL", "--", "prlimit", ...resourceLimits, "--", ...command];
}

async function makeHome(home: string, { slot, inputNames }: Run): Promise<void> {
  const folders = [home, join(home, outputFolder)];
  for (const folder of folders) await mkdir(folder, { mode: 0o700 });
  for (const name of inputNames) await symlink(join(slot.folder, "inputs", name), join(home, name));
  for (const folder of folders) await chown(folder, slot.uid, slot.gid);
}

async function notLaunched(home: string, reason?: string): Promise<NotLaunched> {
  await removeTree(home);
  return { kind: "not_launched", isEmpty: true, reason };
}
