import { describe, expect, test } from "vitest";
import { seccompFilter } from "./seccomp.ts";
import { deniedCalls, inspectedCalls, type Machine } from "./syscall-numbers.ts";

const allow = 0x7fff0000;
const kill = 0x80000000;
const errno = (number: number) => 0x00050000 | number;
const EPERM = 1;
const ENOSYS = 38;
const EAFNOSUPPORT = 97;

const architectures = { x64: 0xc000003e, arm64: 0xc00000b7 };

/** Runs a filter as the kernel does, on one call. */
function judge(
  filter: Buffer,
  data: { architecture: number; call: number; args?: readonly number[] },
): number {
  const words = new Map<number, number>([
    [0, data.call],
    [4, data.architecture],
    ...(data.args ?? []).map((value, index): [number, number] => [16 + 8 * index, value]),
  ]);
  let accumulator = 0;
  for (let at = 0; at < filter.length / 8; at += 1) {
    const code = filter.readUInt16LE(at * 8);
    const operand = filter.readUInt32LE(at * 8 + 4);
    const skip = (holds: boolean) => filter.readUInt8(at * 8 + (holds ? 2 : 3));
    if (code === 0x20) accumulator = words.get(operand) ?? 0;
    else if (code === 0x15) at += skip(accumulator === operand);
    else if (code === 0x35) at += skip(accumulator >= operand);
    else if (code === 0x45) at += skip((accumulator & operand) !== 0);
    else if (code === 0x06) return operand;
    else throw new Error(`instruction ${code} is not known`);
  }
  throw new Error("the filter has no verdict");
}

describe.each(["x64", "arm64"] satisfies Machine[])("seccompFilter for %s", (machine) => {
  const filter = seccompFilter(machine);
  const architecture = architectures[machine];
  const verdictOn = (call: number, ...args: number[]) => judge(filter, { architecture, call, args });

  test("refuses every denied call", () => {
    const numbers = Object.values(deniedCalls).flatMap((byMachine) => byMachine[machine] ?? []);
    expect(numbers.length).toBeGreaterThan(45);
    expect(numbers.map((call) => verdictOn(call))).toEqual(numbers.map(() => errno(EPERM)));
  });

  test("allows what programs live on", () => {
    const [read, write] = machine === "x64" ? [0, 1] : [63, 64];
    expect([verdictOn(read ?? -1), verdictOn(write ?? -1)]).toEqual([allow, allow]);
  });

  test("allows clone for threads, refuses it for namespaces, and sends clone3 to clone", () => {
    expect(verdictOn(inspectedCalls.clone[machine], 0x3d0f00)).toBe(allow);
    expect(verdictOn(inspectedCalls.clone[machine], 0x10000011)).toBe(errno(EPERM));
    expect(verdictOn(inspectedCalls.clone3[machine])).toBe(errno(ENOSYS));
  });

  test("refuses to type into a terminal and allows other requests", () => {
    expect(verdictOn(inspectedCalls.ioctl[machine], 0, 0x5412)).toBe(errno(EPERM));
    expect(verdictOn(inspectedCalls.ioctl[machine], 0, 0x5401)).toBe(allow);
  });

  test("allows unix, internet and netlink sockets only", () => {
    const verdicts = [1, 2, 10, 16, 17, 38, 40].map((family) =>
      verdictOn(inspectedCalls.socket[machine], family),
    );
    const refused = errno(EAFNOSUPPORT);
    expect(verdicts).toEqual([allow, allow, allow, allow, refused, refused, refused]);
  });

  test("kills a call of another architecture", () => {
    expect(judge(filter, { architecture: 0x40000003, call: 0 })).toBe(kill);
  });
});

test("the x32 twins of x64 calls do not exist", () => {
  const x32Mount = 0x40000000 + 165;
  expect(judge(seccompFilter("x64"), { architecture: architectures.x64, call: x32Mount })).toBe(
    errno(ENOSYS),
  );
});
