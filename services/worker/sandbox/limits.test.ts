import { describe, expect, test } from "vitest";
import { defaultLimits, resourceLimitArguments, withDefaults } from "./limits.ts";

describe("withDefaults", () => {
  test("keeps what is chosen and fills in the rest", () => {
    expect(withDefaults({ processes: 7 })).toEqual({ ...defaultLimits, processes: 7 });
  });

  test.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY])("refuses %s", (memoryBytes) => {
    expect(() => withDefaults({ memoryBytes })).toThrow(RangeError);
  });
});

describe("resourceLimitArguments", () => {
  test("bounds the address space only where no cgroup bounds memory", () => {
    const withCgroup = resourceLimitArguments(defaultLimits, false);
    const without = resourceLimitArguments(defaultLimits, true);
    expect(withCgroup.some((argument) => argument.startsWith("--as="))).toBe(false);
    expect(without).toContain(`--as=${4096 * 1024 * 1024}`);
  });

  test("never leaves a core dump and counts processor time beyond the wall time", () => {
    const argv = resourceLimitArguments(withDefaults({ wallMs: 1500, cores: 2 }), false);
    expect(argv).toContain("--core=0");
    expect(argv).toContain("--cpu=8");
  });
});
