import { constants } from "node:os";
import { deniedCalls, inspectedCalls, type Machine } from "./syscall-numbers.ts";

/** One instruction of the kernel's classic packet filter. */
interface Instruction {
  readonly code: number;
  /** How many instructions to skip when the comparison holds. */
  readonly whenTrue: number;
  readonly whenFalse: number;
  readonly operand: number;
}

const loadWord = 0x20;
const jumpIfEqual = 0x15;
const jumpIfAtLeast = 0x35;
const jumpIfAnyBit = 0x45;
const giveVerdict = 0x06;

/** Offsets in the kernel's `struct seccomp_data`; of an argument the low half, which is all that these calls read. */
const callNumber = 0;
const architecture = 4;
const argument = (index: number): number => 16 + 8 * index;

const allow = 0x7fff0000;
const killProcess = 0x80000000;
const refuseWith = (errno: number): number => 0x00050000 | errno;

const { EPERM, ENOSYS, EAFNOSUPPORT } = constants.errno;

/** The kernel's AUDIT_ARCH_* numbers. */
const auditArchitecture: Readonly<Record<Machine, number>> = { x64: 0xc000003e, arm64: 0xc00000b7 };

/** Calls with this bit are the x32 ABI of an x64 kernel: the same calls under other numbers. */
const x32Bit = 0x40000000;

/** CLONE_NEWTIME, NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET. */
const newNamespaceFlags =
  0x80 | 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000;

/** TIOCSTI and TIOCLINUX put characters into the terminal of whoever looks at it. */
const terminalInjections = [0x5412, 0x541c];

/** UNIX, INET, INET6, NETLINK. Others are not confined to a network namespace or reach rare kernel code. */
const allowedSocketFamilies = [1, 2, 10, 16];

/**
 * The system call filter of one machine, as the bytes that `bwrap --seccomp`
 * reads: an array of the kernel's `struct sock_filter`.
 *
 * Whatever is not refused is allowed. `clone3` answers ENOSYS because its
 * flags cannot be read by a filter; C libraries then use `clone`.
 */
export function seccompFilter(machine: Machine): Buffer {
  return encode([
    load(architecture),
    { code: jumpIfEqual, whenTrue: 1, whenFalse: 0, operand: auditArchitecture[machine] },
    verdict(killProcess),
    load(callNumber),
    ...(machine === "x64" ? when(jumpIfAtLeast, x32Bit, [verdict(refuseWith(ENOSYS))]) : []),
    ...Object.values(deniedCalls).flatMap((numbers) => {
      const number = numbers[machine];
      return number === undefined ? [] : when(jumpIfEqual, number, [verdict(refuseWith(EPERM))]);
    }),
    ...when(jumpIfEqual, inspectedCalls.clone3[machine], [verdict(refuseWith(ENOSYS))]),
    ...when(jumpIfEqual, inspectedCalls.clone[machine], [
      load(argument(0)),
      ...when(jumpIfAnyBit, newNamespaceFlags, [verdict(refuseWith(EPERM))]),
      verdict(allow),
    ]),
    ...when(jumpIfEqual, inspectedCalls.ioctl[machine], [
      load(argument(1)),
      ...terminalInjections.flatMap((request) => when(jumpIfEqual, request, [verdict(refuseWith(EPERM))])),
      verdict(allow),
    ]),
    ...when(jumpIfEqual, inspectedCalls.socket[machine], onlyFamilies(allowedSocketFamilies)),
    ...when(jumpIfEqual, inspectedCalls.socketpair[machine], onlyFamilies(allowedSocketFamilies)),
    verdict(allow),
  ]);
}

/** Runs `body` when the comparison holds, else skips it. */
function when(comparison: number, operand: number, body: readonly Instruction[]): readonly Instruction[] {
  return [{ code: comparison, whenTrue: 0, whenFalse: body.length, operand }, ...body];
}

function onlyFamilies(families: readonly number[]): readonly Instruction[] {
  return [
    load(argument(0)),
    ...families.flatMap((family) => when(jumpIfEqual, family, [verdict(allow)])),
    verdict(refuseWith(EAFNOSUPPORT)),
  ];
}

function load(operand: number): Instruction {
  return { code: loadWord, whenTrue: 0, whenFalse: 0, operand };
}

function verdict(operand: number): Instruction {
  return { code: giveVerdict, whenTrue: 0, whenFalse: 0, operand };
}

function encode(program: readonly Instruction[]): Buffer {
  const bytes = Buffer.alloc(program.length * 8);
  program.forEach(({ code, whenTrue, whenFalse, operand }, index) => {
    bytes.writeUInt16LE(code, index * 8);
    bytes.writeUInt8(whenTrue, index * 8 + 2);
    bytes.writeUInt8(whenFalse, index * 8 + 3);
    bytes.writeUInt32LE(operand >>> 0, index * 8 + 4);
  });
  return bytes;
}
