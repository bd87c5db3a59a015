import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { until } from "./kill.ts";
import type { ProgramLimits } from "./limits.ts";
import type { Enforcement } from "./sandbox.ts";

/** The controllers that bound programs. */
const controllers = ["memory", "pids", "cpu"] as const;

/** What a cgroup can bound. */
export type Controller = (typeof controllers)[number];

/** One writable place for groups, and the controllers that bound there. */
interface Hierarchy {
  readonly version: 1 | 2;
  readonly parent: string;
  readonly controllers: readonly Controller[];
}

/** The length of a period of the processor quota, in microseconds: the kernel's default. */
const periodMicroseconds = 100_000;

/** Where the kernel tells about cgroups; elsewhere only in tests. */
interface CgroupSources {
  readonly ownGroups: string;
  readonly mounts: string;
  readonly asRoot: boolean;
}

/** The cgroup places that this process may write, found by trying. */
export class Cgroups {
  readonly #hierarchies: readonly Hierarchy[];

  private constructor(hierarchies: readonly Hierarchy[]) {
    this.#hierarchies = hierarchies;
  }

  /** Looks for writable places. Finds none rather than failing. */
  static open(
    sources: CgroupSources = {
      ownGroups: readFileSync("/proc/self/cgroup", "utf8"),
      mounts: readFileSync("/proc/self/mountinfo", "utf8"),
      asRoot: process.getuid?.() === 0,
    },
  ): Cgroups {
    const version1 = version1Places(sources);
    const version2 = version1.length > 0 ? [] : version2Places(sources).slice(0, 1);
    return new Cgroups([...version1, ...version2]);
  }

  /** Who bounds this resource here; undefined when no cgroup does. */
  enforcement(controller: Controller): Extract<Enforcement, "cgroup-v1" | "cgroup-v2"> | undefined {
    const found = this.#hierarchies.find((hierarchy) => hierarchy.controllers.includes(controller));
    return found && (found.version === 1 ? "cgroup-v1" : "cgroup-v2");
  }

  /** Makes the group of one program. Throws when one of this name exists. */
  create(name: string, limits: ProgramLimits): Cgroup {
    const groups = this.#groups(name);
    for (const { folder, hierarchy } of groups) {
      mkdirSync(folder);
      for (const [file, value] of settings(hierarchy, limits, folder))
        writeFileSync(join(folder, file), value);
    }
    return new Cgroup(groups);
  }

  /** The group of this name, to be ended and removed by whoever holds its slot; it need not exist. */
  leftover(name: string): Cgroup {
    return new Cgroup(this.#groups(name).filter(({ folder }) => existsSync(folder)));
  }

  #groups(name: string): readonly Group[] {
    return this.#hierarchies.map((hierarchy) => ({
      hierarchy,
      folder: join(hierarchy.parent, `antiphon-${name}`),
    }));
  }
}

interface Group {
  readonly hierarchy: Hierarchy;
  readonly folder: string;
}

/** The group of one program, in all hierarchies. */
export class Cgroup {
  readonly #groups: readonly Group[];

  constructor(groups: readonly Group[]) {
    this.#groups = groups;
  }

  /** Moves a process in. Its children are born there; those it already has stay outside. */
  add(pid: number): void {
    for (const { folder } of this.#groups) writeFileSync(join(folder, "cgroup.procs"), String(pid));
  }

  /** Whether memory is bounded here. */
  get boundsMemory(): boolean {
    return this.#groups.some(({ hierarchy }) => hierarchy.controllers.includes("memory"));
  }

  /** How many processes the kernel ended because the memory was used up. */
  get outOfMemoryKills(): number {
    const group = this.#groups.find(({ hierarchy }) => hierarchy.controllers.includes("memory"));
    if (!group) return 0;
    const file = group.hierarchy.version === 1 ? "memory.oom_control" : "memory.events";
    return Number(/^oom_kill (\d+)/m.exec(readFileSync(join(group.folder, file), "utf8"))?.[1] ?? 0);
  }

  /** Kills all processes in the group, none of which can fork its way out where the kernel offers that (version 2). */
  kill(): void {
    for (const { hierarchy, folder } of this.#groups) {
      if (hierarchy.version === 2 && existsSync(join(folder, "cgroup.kill"))) {
        writeFileSync(join(folder, "cgroup.kill"), "1");
        continue;
      }
      for (const pid of readFileSync(join(folder, "cgroup.procs"), "utf8").split("\n").filter(Boolean)) {
        try {
          process.kill(Number(pid), "SIGKILL");
        } catch {
          // Gone since the list was read.
        }
      }
    }
  }

  /** Removes the group once it is empty; false when it is not within `withinMs`. */
  async remove(withinMs: number): Promise<boolean> {
    return await until(() => this.#groups.every(({ folder }) => removed(folder)), withinMs);
  }
}

function settings(
  { version, controllers }: Hierarchy,
  limits: ProgramLimits,
  folder: string,
): [string, string][] {
  const quota = Math.round(limits.cores * periodMicroseconds);
  const memory = String(limits.memoryBytes);
  const written: [Controller, string, string][] =
    version === 1
      ? [
          ["memory", "memory.limit_in_bytes", memory],
          ["memory", "memory.memsw.limit_in_bytes", memory],
          ["pids", "pids.max", String(limits.processes)],
          ["cpu", "cpu.cfs_period_us", String(periodMicroseconds)],
          ["cpu", "cpu.cfs_quota_us", String(quota)],
        ]
      : [
          ["memory", "memory.max", memory],
          ["memory", "memory.swap.max", "0"],
          ["memory", "memory.oom.group", "1"],
          ["pids", "pids.max", String(limits.processes)],
          ["cpu", "cpu.max", `${quota} ${periodMicroseconds}`],
        ];
  // Swap accounting is a kernel option; without it its file is missing.
  const optional = new Set(["memory.memsw.limit_in_bytes", "memory.swap.max"]);
  return written
    .filter(
      ([controller, file]) =>
        controllers.includes(controller) && !(optional.has(file) && !existsSync(join(folder, file))),
    )
    .map(([, file, value]) => [file, value]);
}

/** Version 1 mounts each controller apart; groups go below our own. */
function version1Places({ ownGroups, mounts }: CgroupSources): Hierarchy[] {
  const places: Hierarchy[] = [];
  for (const { type, root, target, options } of cgroupMounts(mounts)) {
    const own = controllers.filter((controller) => type === "cgroup" && options.includes(controller));
    const first = own[0];
    if (first === undefined || places.some((place) => place.controllers.includes(first))) continue;
    const path = ownGroups
      .split("\n")
      .map((line) => line.split(":"))
      .find(([, names]) => names?.split(",").includes(first))?.[2];
    if (path === undefined) continue;
    const parent = join(target, path.startsWith(root) ? path.slice(root.length) : "");
    if (canMakeGroups(parent)) places.push({ version: 1, parent, controllers: own });
  }
  return places;
}

/**
 * Version 2: below our own group when it may hand controllers down, which the
 * kernel refuses while it has processes of its own; root then uses a group of
 * its own at the top.
 */
function version2Places({ ownGroups, mounts, asRoot }: CgroupSources): Hierarchy[] {
  const mount = cgroupMounts(mounts).find(({ type }) => type === "cgroup2");
  const own = /^0::(.*)$/m.exec(ownGroups)?.[1];
  if (!mount || own === undefined) return [];
  const candidates = [join(mount.target, own), ...(asRoot ? [join(mount.target, "antiphon")] : [])];
  return candidates.flatMap((parent): Hierarchy[] => {
    try {
      if (asRoot) mkdirSync(parent, { recursive: true });
      const usable = controllers.filter((controller) => handsDown(parent, controller));
      return usable.length > 0 && canMakeGroups(parent) ? [{ version: 2, parent, controllers: usable }] : [];
    } catch {
      return [];
    }
  });
}

function handsDown(parent: string, controller: Controller): boolean {
  const file = join(parent, "cgroup.subtree_control");
  const isOn = () => readFileSync(file, "utf8").split(/\s+/).includes(controller);
  try {
    if (!isOn()) writeFileSync(file, `+${controller}`);
    return isOn();
  } catch {
    return false;
  }
}

function canMakeGroups(parent: string): boolean {
  const trial = join(parent, `antiphon-trial-${process.pid}`);
  try {
    mkdirSync(trial);
    rmdirSync(trial);
    return true;
  } catch {
    return false;
  }
}

function removed(folder: string): boolean {
  try {
    rmdirSync(folder);
    return true;
  } catch {
    return !existsSync(folder);
  }
}

function cgroupMounts(mountinfo: string) {
  return mountinfo.split("\n").flatMap((line) => {
    const [before, after] = line.split(" - ");
    const [, , , root, target] = before?.split(" ") ?? [];
    const [type, , options] = after?.split(" ") ?? [];
    if (root === undefined || target === undefined || !type?.startsWith("cgroup")) return [];
    return [{ type, root, target, options: options?.split(",") ?? [] }];
  });
}
