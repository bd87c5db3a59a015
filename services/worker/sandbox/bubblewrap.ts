import { closeSync, constants, openSync } from "node:fs";
import { statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { channelFolder, places } from "./bubblewrap-arguments.ts";
import { killSandbox, launchSandbox, type Standing } from "./bubblewrap-launch.ts";
import type { Cgroup, Cgroups } from "./cgroup.ts";
import { inheritedDescriptors } from "./inherited-descriptors.ts";
import { signalGroup } from "./kill.ts";
import type { Backend, Launched, NotLaunched, Run } from "./launch.ts";
import { type EndingLimit, resourceLimitArguments } from "./limits.ts";
import { proportionalMemory } from "./process-memory.ts";
import type { SandboxReport } from "./sandbox.ts";
import { seccompFilter } from "./seccomp.ts";
import type { Slot } from "./slots.ts";
import { writeEtc } from "./system-files.ts";

const removeWithinMs = 5000;

/**
 * Isolates by Linux namespaces, a system call filter, dropped rights, limits
 * and cgroups where they can be written.
 *
 * Never as the host's root: root inside would be root for files and kernel
 * settings outside. Only from the main thread: a sandbox dies with the thread
 * that started it.
 */
export class Bubblewrap implements Backend {
  readonly report: SandboxReport;
  readonly #cgroups: Cgroups;
  readonly #inherited = inheritedDescriptors();

  constructor(cgroups: Cgroups, ownUids: boolean) {
    this.#cgroups = cgroups;
    const memory = cgroups.enforcement("memory") ?? "watcher";
    const cores = cgroups.enforcement("cpu") ?? "none";
    this.report = {
      backend: "bubblewrap",
      memory,
      processes: cgroups.enforcement("pids") ?? "rlimit",
      cores,
      storage: "tmpfs",
      ownUids,
      missing: [
        ...(memory === "watcher"
          ? ["memory is only watched: a fast program can overshoot its limit for a moment"]
          : []),
        ...(cores === "none" ? ["a program may keep all cores busy"] : []),
      ],
    };
  }

  places(): typeof places {
    return places;
  }

  socket(): string {
    return join(channelFolder, "ctl.sock");
  }

  async sweep(slot: Slot): Promise<void> {
    const leftover = this.#cgroups.leftover(slot.name);
    leftover.kill();
    if (!(await leftover.remove(removeWithinMs)))
      throw new Error(`the cgroup of slot ${slot.name} cannot be emptied`);
    await writeEtc(slot);
    const filter = join(slot.folder, "filter");
    await writeFile(filter, seccompFilter(process.arch === "arm64" ? "arm64" : "x64"));
  }

  async launch(run: Run, signal: AbortSignal | undefined): Promise<Launched | NotLaunched> {
    const cgroup = this.#cgroups.create(run.slot.name, run.limits);
    const filter = openSync(join(run.slot.folder, "filter"), constants.O_RDONLY);
    const nothing = openSync("/dev/null", constants.O_RDWR);
    try {
      const resourceLimits = resourceLimitArguments(run.limits, this.report.memory === "watcher");
      const means = { filter, nothing, inherited: this.#inherited, cgroup, resourceLimits };
      const sandbox = await launchSandbox(run, means, signal);
      if (sandbox.kind === "standing") return launched(sandbox, cgroup, run);
      const isEmpty = (await cgroup.remove(removeWithinMs)) && sandbox.isEmpty;
      return { kind: "not_launched", isEmpty, reason: sandbox.fault };
    } catch (error) {
      await cgroup.remove(removeWithinMs);
      throw error;
    } finally {
      closeSync(filter);
      closeSync(nothing);
    }
  }
}

function launched(sandbox: Standing, cgroup: Cgroup, { limits }: Run): Launched {
  const { init, home, ended } = sandbox;
  return {
    kind: "launched",
    home,
    ended,
    // The namespace's first process leads the group and, being that, does not hear the signal.
    terminate: () => void signalGroup(init, "SIGTERM"),
    kill: async () => await killSandbox(sandbox),
    outOfMemory: () => cgroup.outOfMemoryKills > 0,
    passedLimit: async () => {
      const { files, bytes } = await home.use();
      if (files > limits.homeFiles) return "files";
      if (cgroup.boundsMemory) return undefined;
      const used = bytes + (await temporaryBytes(init.pid)) + proportionalMemory(init.pid);
      return used > limits.memoryBytes ? ("memory" satisfies EndingLimit) : undefined;
    },
    remove: async () => await cgroup.remove(removeWithinMs),
  };
}

/** What the sandbox's other tmpfs folders hold. */
async function temporaryBytes(pid: number): Promise<number> {
  const uses = ["/tmp", "/dev/shm"].map(async (folder) => {
    const found = await statfs(`/proc/${pid}/root${folder}`).catch(() => undefined);
    return found ? (found.blocks - found.bfree) * found.bsize : 0;
  });
  return (await Promise.all(uses)).reduce((sum, bytes) => sum + bytes, 0);
}
