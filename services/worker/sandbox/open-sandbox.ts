import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { text } from "node:stream/consumers";
import { isMainThread } from "node:worker_threads";
import { Bubblewrap } from "./bubblewrap.ts";
import { Cgroups } from "./cgroup.ts";
import type { Backend } from "./launch.ts";
import { PlainProcess } from "./process.ts";
import type { ProgramEnd, Sandbox, SandboxReport, Unusable } from "./sandbox.ts";
import { Slots } from "./slots.ts";
import { SlottedSandbox } from "./slotted-sandbox.ts";

/** What a worker chooses about its sandbox. */
export interface SandboxOptions {
  /** `process` isolates hardly anything and must be allowed besides. */
  readonly backend: "bubblewrap" | "process";
  readonly allowUnsafeProcess: boolean;
  /** Where slots lie: a folder that every uid may traverse when the worker is root. Made when missing. */
  readonly directory: string;
  readonly slots: number;
  /** As root: the uid of the first slot, which has no name in /etc/passwd. */
  readonly firstUid?: number;
}

const defaultFirstUid = 30_000;

/** Opens the sandbox that a worker runs programs in, or says why there is none. It never falls back to another. */
export async function openSandbox(
  options: SandboxOptions,
): Promise<{ readonly kind: "usable"; readonly sandbox: Sandbox } | Unusable> {
  const refusal = refusalOf(options);
  if (refusal) return refusal;
  let sandbox: Sandbox;
  try {
    const { directory, slots: count, firstUid = defaultFirstUid } = options;
    const slots = await Slots.open({ directory, count, firstUid });
    sandbox = await SlottedSandbox.open(slots, backendOf(options));
  } catch (error) {
    return {
      kind: "unusable",
      reason: `the slots cannot be made ready: ${error instanceof Error ? error.message : String(error)}`,
      mend: `ls -ld ${options.directory}`,
    };
  }
  const fault = await trial(sandbox);
  if (!fault) return { kind: "usable", sandbox };
  await sandbox[Symbol.asyncDispose]();
  return fault;
}

/** Tries a sandbox and closes it again: what it holds, or why it cannot be used. */
export async function probeSandbox(
  options: SandboxOptions,
): Promise<{ readonly kind: "usable"; readonly report: SandboxReport } | Unusable> {
  const opened = await openSandbox(options);
  if (opened.kind === "unusable") return opened;
  await using sandbox = opened.sandbox;
  return { kind: "usable", report: sandbox.report };
}

function refusalOf({ backend, allowUnsafeProcess }: SandboxOptions): Unusable | undefined {
  if (process.platform !== "linux") {
    return {
      kind: "unusable",
      reason: "programs are isolated on Linux only",
      mend: "run the worker on Linux",
    };
  }
  if (!isMainThread) {
    return {
      kind: "unusable",
      reason: "a sandbox dies with its thread",
      mend: "open it from the main thread",
    };
  }
  if (process.arch !== "x64" && process.arch !== "arm64") {
    return {
      kind: "unusable",
      reason: `no system call filter for ${process.arch}`,
      mend: "use x64 or arm64",
    };
  }
  if (backend === "process" && !allowUnsafeProcess) {
    return {
      kind: "unusable",
      reason: "SANDBOX=process does not isolate programs and has not been allowed",
      mend: "ALLOW_UNSAFE_PROCESS=1",
    };
  }
  return undefined;
}

function backendOf({ backend }: SandboxOptions): Backend {
  const ownUids = process.getuid?.() === 0;
  return backend === "process" ? new PlainProcess(ownUids) : new Bubblewrap(Cgroups.open(), ownUids);
}

/** Namespaces that must not be the worker's. */
const namespaces = ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"];

/** Runs a program that looks around, and believes what it found. */
async function trial(sandbox: Sandbox): Promise<Unusable | undefined> {
  const script = [
    "grep -E '^(Seccomp|NoNewPrivs|CapEff):' /proc/self/status",
    `for name in ${namespaces.join(" ")}; do readlink /proc/self/ns/$name; done`,
    "echo processes $(ls /proc | grep -c '^[0-9]')",
  ].join("\n");
  await using program = await sandbox.start({
    command: () => ["/bin/sh", "-c", script],
    network: "none",
    stdin: "closed",
    limits: { wallMs: 10_000 },
    start: { runId: "trial", taskId: "trial", attempt: 1, input: null },
  });
  const [said, complaint, end] = await Promise.all([
    text(program.stdout),
    text(program.stderr),
    program.exited,
  ]);
  if (end.kind !== "exited" || end.code !== 0) return unusable(end, complaint);
  if (sandbox.report.backend === "process") return undefined;
  const leaks = [
    ...(/Seccomp:\s*2/.test(said) ? [] : ["no system call filter"]),
    ...(/NoNewPrivs:\s*1/.test(said) ? [] : ["rights can be gained"]),
    ...(/CapEff:\s*0+\n/.test(said) ? [] : ["rights are left"]),
    ...namespaces
      .filter((name) => said.includes(readlinkSync(`/proc/self/ns/${name}`)))
      .map((name) => `${name} is shared`),
    ...(Number(/processes (\d+)/.exec(said)?.[1]) < readdirSync("/proc").filter(Number).length
      ? []
      : ["processes are seen"]),
  ];
  if (leaks.length === 0) return undefined;
  return {
    kind: "unusable",
    reason: `the sandbox leaks: ${leaks.join(", ")}`,
    mend: "apt-get install -y bubblewrap",
  };
}

/** What usually is the matter. */
function unusable(end: ProgramEnd, complaint: string): Unusable {
  const reason =
    end.kind === "failed_to_start"
      ? end.reason
      : complaint.trim() || `the trial ended: ${JSON.stringify(end)}`;
  return { kind: "unusable", reason, mend: mendOf(reason) };
}

function mendOf(reason: string): string {
  if (/ENOENT|not found|without a word/.test(reason)) return "apt-get install -y bubblewrap util-linux";
  if (/Unknown option/i.test(reason)) return "install bubblewrap 0.8 or newer";
  const restricted = readSwitch("/proc/sys/kernel/apparmor_restrict_unprivileged_userns");
  if (restricted === "1") return "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0";
  if (readSwitch("/proc/sys/kernel/unprivileged_userns_clone") === "0")
    return "sysctl -w kernel.unprivileged_userns_clone=1";
  if (/proc|namespace|pivot_root|uid map/i.test(reason)) {
    return "in a container: --security-opt seccomp=unconfined --security-opt systempaths=unconfined (podman: unmask=ALL)";
  }
  return "bwrap --unshare-all --ro-bind / / true";
}

function readSwitch(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return undefined;
  }
}
