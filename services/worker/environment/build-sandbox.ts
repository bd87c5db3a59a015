import { spawn } from "node:child_process";
import { lstatSync, readlinkSync, realpathSync } from "node:fs";
import { EnvironmentError } from "./environment-error.ts";
import type { Interpreter } from "./interpreter.ts";
import { unprivileged } from "./unprivileged.ts";

/*
 * Contains the steps of a build, which run strangers' code (a trial import) or
 * reach the network (fetching), never both.
 *
 *   C1. A step sees the interpreter, what the step names, and nothing else of
 *       this machine or of this process's environment.
 *   C2. It never runs as root: bubblewrap as root would leave the host's files
 *       to whoever gets out.
 *   C3. When the step ends, when its signal aborts, or when this process dies,
 *       every process of the step has ended.
 *   C4. Without bubblewrap nothing is built, unless the operator has allowed
 *       builds without a sandbox by name.
 */

/** Where a step finds its folders: fixed paths in the sandbox, real ones without. */
export interface BuildPlaces {
  readonly venv: string;
  readonly downloads: string;
}

/** One command of a build. */
export interface BuildStep {
  command(places: BuildPlaces): readonly string[];
  readonly variables?: Readonly<Record<string, string>>;
  /** Whether the environment may be changed. */
  readonly venv: "writable" | "read-only";
  /** The host's network and these files, for a step that runs no stranger's code. */
  readonly fetch?: { readonly files: readonly string[] };
  /** The step is ended, and fails, after this long. */
  readonly timeoutMs: number;
  /** Receives what the step writes, both streams as they come. */
  onOutput(chunk: Buffer): void;
}

/** Where the sandbox shows an environment, to builds and to programs alike. */
export const venvTarget = "/venv";

const downloadsTarget = "/downloads";

/** Memory is bounded by address space, for want of a cgroup here; compilers of byte code need far less. */
const limits = ["--nofile=4096", "--nproc=512", "--fsize=4294967296", "--as=8589934592", "--core=0"];

/** Of /etc: what names hosts, trusts certificates and finds libraries. */
const etcFiles = [
  "/etc/alternatives",
  "/etc/ca-certificates",
  "/etc/hosts",
  "/etc/ld.so.cache",
  "/etc/localtime",
  "/etc/nsswitch.conf",
  "/etc/pki",
  "/etc/resolv.conf",
  "/etc/ssl/certs",
  "/etc/ssl/openssl.cnf",
];

/** Runs the steps of builds in folders of the host. */
export class BuildSandbox {
  readonly #interpreter: Interpreter;
  readonly #contained: boolean;

  private constructor(interpreter: Interpreter, contained: boolean) {
    this.#interpreter = interpreter;
    this.#contained = contained;
  }

  /**
   * Tries bubblewrap by using it.
   *
   * @throws EnvironmentError `SANDBOX_UNAVAILABLE` when it does not work here and
   * `allowUncontained` is false.
   */
  static async open(
    interpreter: Interpreter,
    { allowUncontained }: { readonly allowUncontained: boolean },
  ): Promise<BuildSandbox> {
    const contained = new BuildSandbox(interpreter, true);
    const said: Buffer[] = [];
    const step: BuildStep = {
      command: () => [interpreter.path, "-I", "-S", "-c", ""],
      venv: "read-only",
      timeoutMs: 10_000,
      onOutput: (chunk) => said.push(chunk),
    };
    const folders = { venv: "/usr/share", downloads: "/usr/share" };
    const isUsable = await contained.run(step, folders).catch((error: Error) => {
      said.push(Buffer.from(error.message));
      return false;
    });
    if (isUsable) return contained;
    if (allowUncontained) return new BuildSandbox(interpreter, false);
    const reason = Buffer.concat(said).toString().trim().split("\n").at(-1);
    throw new EnvironmentError(
      "SANDBOX_UNAVAILABLE",
      `packages are installed in a sandbox only, and bubblewrap is not usable here (${reason}); on Debian or Ubuntu: apt-get install bubblewrap`,
    );
  }

  /** Runs a step to its end; true when it exited with 0. `folders` are on the host; rejects when `signal` aborts. */
  async run(step: BuildStep, folders: BuildPlaces, signal?: AbortSignal): Promise<boolean> {
    signal?.throwIfAborted();
    const places = this.#contained ? { venv: venvTarget, downloads: downloadsTarget } : folders;
    const wrapped = this.#contained ? this.#bubblewrap(step, folders) : [];
    const child = spawn("prlimit", [...limits, ...wrapped, ...step.command(places)], {
      ...unprivileged(),
      // A process group of its own, so that one kill reaches bubblewrap and a sandbox that is only being made.
      detached: true,
      cwd: "/",
      env: {
        PATH: "/usr/bin:/bin",
        HOME: this.#contained ? "/tmp" : folders.downloads,
        LANG: "C.UTF-8",
        LOGNAME: "antiphon",
        PYTHONDONTWRITEBYTECODE: "1",
        ...step.variables,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const end = () => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
      } catch {
        // The group has ended already.
      }
    };
    child.stdout.on("data", (chunk: Buffer) => step.onOutput(chunk));
    child.stderr.on("data", (chunk: Buffer) => step.onOutput(chunk));
    // On "exit", not on "close": what is left in the group may hold the pipes open.
    child.once("exit", end);
    const timer = setTimeout(() => {
      step.onOutput(Buffer.from(`\nended after ${step.timeoutMs / 1000} s\n`));
      end();
    }, step.timeoutMs);
    signal?.addEventListener("abort", end);
    try {
      const code = await new Promise<number | null>((resolve, reject) => {
        child.once("error", reject);
        child.once("close", resolve);
      });
      signal?.throwIfAborted();
      return code === 0;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
    }
  }

  #bubblewrap(step: BuildStep, folders: BuildPlaces): readonly string[] {
    const { prefix } = this.#interpreter;
    const mounted = (path: string) => ["--ro-bind-try", path, path];
    return [
      "bwrap",
      "--unshare-all",
      "--unshare-user",
      "--disable-userns",
      "--die-with-parent",
      "--cap-drop",
      "ALL",
      ...mounted("/usr"),
      ...["/bin", "/sbin", "/lib", "/lib32", "/lib64"].flatMap(rootFolder),
      ...(prefix === "/usr" ? [] : mounted(prefix)),
      // A link of /etc (resolv.conf often is one) is bound as the file that it leads to.
      ...etcFiles.flatMap((path) => ["--ro-bind-try", resolved(path), path]),
      ..."--proc /proc --dev /dev --size 67108864 --tmpfs /dev/shm --size 2147483648 --tmpfs /tmp".split(" "),
      ...(step.fetch === undefined ? [] : ["--share-net", ...step.fetch.files.flatMap(mounted)]),
      ...(step.fetch === undefined ? [] : ["--bind", folders.downloads, downloadsTarget]),
      step.venv === "writable" ? "--bind" : "--ro-bind",
      folders.venv,
      venvTarget,
      ..."--remount-ro /dev --remount-ro / --chdir /tmp --".split(" "),
    ];
  }
}

/** A folder of the root as the host has it: a link into /usr, a folder of its own, or missing. */
function rootFolder(path: string): readonly string[] {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return [];
  return stats.isSymbolicLink() ? ["--symlink", readlinkSync(path), path] : ["--ro-bind", path, path];
}

function resolved(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
