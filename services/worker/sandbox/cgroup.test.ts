import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Cgroups } from "./cgroup.ts";
import { defaultLimits } from "./limits.ts";

/** A folder that looks like the kernel's, as far as files can: reading and writing, not the limits themselves. */
let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "cgroup-"));
});

afterEach(() => {
  rmSync(root, { recursive: true });
});

const limits = { ...defaultLimits, memoryBytes: 1000, processes: 7, cores: 0.5 };
const written = (path: string) => readFileSync(join(root, path), "utf8");

describe("version 2", () => {
  const open = (own: string, asRoot: boolean) =>
    Cgroups.open({
      ownGroups: `0::${own}\n`,
      mounts: `30 20 0:26 / ${root} rw - cgroup2 cgroup2 rw\n`,
      asRoot,
    });

  test("bounds memory, processes and cores below the worker's own group", () => {
    mkdirSync(join(root, "own"));
    writeFileSync(join(root, "own/cgroup.subtree_control"), "cpu memory pids\n");
    const groups = open("/own", false);
    expect(groups.enforcement("memory")).toBe("cgroup-v2");
    const group = groups.create("30000", limits);
    group.add(42);
    expect(written("own/antiphon-30000/memory.max")).toBe("1000");
    expect(written("own/antiphon-30000/memory.oom.group")).toBe("1");
    expect(written("own/antiphon-30000/pids.max")).toBe("7");
    expect(written("own/antiphon-30000/cpu.max")).toBe("50000 100000");
    expect(written("own/antiphon-30000/cgroup.procs")).toBe("42");
    writeFileSync(
      join(root, "own/antiphon-30000/memory.events"),
      "low 0\noom 1\noom_kill 3\noom_group_kill 1\n",
    );
    expect(group.outOfMemoryKills).toBe(3);
  });

  test("says which controllers are missing", () => {
    mkdirSync(join(root, "own"));
    mkdirSync(join(root, "own/cgroup.subtree_control"));
    const groups = open("/own", false);
    expect(groups.enforcement("memory")).toBeUndefined();
    expect(groups.create("x", limits).boundsMemory).toBe(false);
  });

  test("root uses a group at the top when its own group cannot hand controllers down", () => {
    mkdirSync(join(root, "own"));
    mkdirSync(join(root, "antiphon"));
    mkdirSync(join(root, "own/cgroup.subtree_control"));
    writeFileSync(join(root, "antiphon/cgroup.subtree_control"), "memory pids cpu\n");
    open("/own", true).create("30000", limits);
    expect(written("antiphon/antiphon-30000/pids.max")).toBe("7");
  });
});

describe("version 1", () => {
  test("bounds each resource below our group in its own hierarchy", () => {
    for (const folder of ["memory/mine", "pids", "cpu"]) mkdirSync(join(root, folder), { recursive: true });
    const mount = (name: string) => `40 30 0:27 / ${root}/${name} rw - cgroup cgroup rw,${name}`;
    const groups = Cgroups.open({
      ownGroups: "4:memory:/mine\n8:pids:/\n2:cpu:/\n0::/\n",
      mounts: ["memory", "pids", "cpu"].map(mount).join("\n"),
      asRoot: true,
    });
    groups.create("30000", limits);
    expect(groups.enforcement("cpu")).toBe("cgroup-v1");
    expect(written("memory/mine/antiphon-30000/memory.limit_in_bytes")).toBe("1000");
    expect(written("pids/antiphon-30000/pids.max")).toBe("7");
    expect(written("cpu/antiphon-30000/cpu.cfs_quota_us")).toBe("50000");
  });
});
