import { describe, expect, test } from "vitest";
import { busyPercent, MachineLoad } from "./machine-load.ts";

describe("busyPercent", () => {
  test.each([
    ["the part of the time in which they worked", { busyMs: 175, idleMs: 325 }, 75],
    ["nothing when no time went by", { busyMs: 100, idleMs: 300 }, 0],
    ["at most everything, also when counters go back", { busyMs: 200, idleMs: 250 }, 100],
    ["at least nothing, also when counters go back", { busyMs: 50, idleMs: 400 }, 0],
  ])("is %s", (_, after, expected) => {
    expect(busyPercent({ busyMs: 100, idleMs: 300 }, after)).toBe(expected);
  });
});

describe("MachineLoad", () => {
  test("tells of this machine, also before it was sampled", () => {
    const { cpuCount, cpuPercent, totalMemory, usedMemory } = new MachineLoad().status();
    expect(cpuCount).toBeGreaterThan(0);
    expect(cpuPercent).toBeGreaterThanOrEqual(0);
    expect(cpuPercent).toBeLessThanOrEqual(100);
    expect(usedMemory).toBeGreaterThan(0);
    expect(usedMemory).toBeLessThan(totalMemory);
  });
});
