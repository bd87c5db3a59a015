import { readdirSync, readFileSync } from "node:fs";

const closeOnExec = 0o2000000;

/**
 * The descriptors above 2 that every child of this process would get.
 *
 * Node opens everything close-on-exec, so these were inherited from whoever
 * started it. They cannot be closed in a child from here, but covered.
 */
export function inheritedDescriptors(): readonly number[] {
  return readdirSync("/proc/self/fdinfo")
    .map(Number)
    .filter((descriptor) => descriptor > 2 && isInherited(descriptor));
}

/**
 * The `stdio` of a child that gets `wanted`, and /dev/null (open as `nothing`)
 * in place of every inherited descriptor that `wanted` does not cover.
 */
export function coveredStdio<T>(wanted: readonly T[], inherited: readonly number[], nothing: number) {
  const stdio: (T | "ignore" | number)[] = [...wanted];
  for (const descriptor of inherited.filter((number) => number >= wanted.length)) {
    while (stdio.length < descriptor) stdio.push("ignore");
    stdio[descriptor] = nothing;
  }
  return stdio;
}

function isInherited(descriptor: number): boolean {
  try {
    const flags = /^flags:\s+(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${descriptor}`, "utf8"))?.[1];
    return flags !== undefined && (Number.parseInt(flags, 8) & closeOnExec) === 0;
  } catch {
    return false;
  }
}
