import { type ChildProcess, spawn } from "node:child_process";
import type { Duplex } from "node:stream";
import { delay } from "../../../lib/async/delay.ts";
import { descriptors, gated, places, sandboxOptions } from "./bubblewrap-arguments.ts";
import type { Cgroup } from "./cgroup.ts";
import { HomeFolder } from "./home-folder.ts";
import { coveredStdio } from "./inherited-descriptors.ts";
import { killForSure } from "./kill.ts";
import type { Run } from "./launch.ts";
import { identityOf, type ProcessIdentity } from "./process-table.ts";
import { exitOf, type ProcessExit } from "./program-end.ts";

/*
 * From spawn to a running program.
 *
 *   B1. bubblewrap gets an environment without anything of the worker's: what
 *       it is started with can be read in the sandbox, and what would change
 *       how it runs (LD_PRELOAD) is the program's alone.
 *   B2. It waits (block) until its first process is in the cgroup, so nothing
 *       of the program's ever runs outside.
 *   B3. The program waits (gate) until the worker holds the home folder, so
 *       that the shortest program's files are found.
 *   B4. Until the gate opens, giving up needs no luck: the sandbox finds its
 *       gate closed and ends. Killing goes to the namespace's first process,
 *       whose pid bubblewrap tells first and once; a bubblewrap killed before
 *       that would leave its sandbox behind.
 */

/** A sandbox that stands, with the program in it. */
export interface Standing {
  readonly kind: "standing";
  readonly outer: ChildProcess;
  /** The first process of the sandbox's pid namespace. */
  readonly init: ProcessIdentity;
  readonly home: HomeFolder;
  readonly ended: Promise<ProcessExit>;
}

/** A sandbox that did not come to stand. */
export interface Fallen {
  readonly kind: "fallen";
  /** Why there was no process at all. */
  readonly fault: string | undefined;
  readonly isEmpty: boolean;
}

/** A sandbox tells its first pid within a few milliseconds; a machine under load takes longer. */
const firstPidWithinMs = 10_000;

const killWithinMs = 10_000;

/** What the sandboxes of one worker share. */
export interface LaunchMeans {
  /** A descriptor of the seccomp filter, at its beginning. */
  readonly filter: number;
  /** A descriptor of /dev/null. */
  readonly nothing: number;
  /** Descriptors of this process that a child would inherit. */
  readonly inherited: readonly number[];
  readonly cgroup: Cgroup;
  readonly resourceLimits: readonly string[];
}

/** Starts the program of `run`; falls when `signal` aborts first. Throws when there is no process to be had. */
export async function launchSandbox(
  run: Run,
  means: LaunchMeans,
  signal: AbortSignal | undefined,
): Promise<Standing | Fallen> {
  const { outer, ended, status, block, gate, options } = spawnSandbox(run, means);
  options.end(
    sandboxOptions(run)
      .map((word) => `${word}\0`)
      .join(""),
  );

  const firstPid = firstLine(status).then((line) => firstPidIn(line));
  const giveUp = async (): Promise<Fallen> => {
    for (const pipe of [block, gate, options]) pipe.destroy();
    const pid = await Promise.race([
      firstPid,
      ended.then(() => undefined),
      delay(firstPidWithinMs).then(() => undefined),
    ]);
    const init = pid === undefined ? undefined : identityOf(pid);
    const isEmpty = init === undefined || (await killForSure(init, killWithinMs));
    outer.kill("SIGKILL");
    const { fault } = await ended;
    return { kind: "fallen", isEmpty, fault };
  };

  const over = new AbortController();
  const aborted = new Promise<undefined>((resolve) => {
    if (signal?.aborted) resolve(undefined);
    signal?.addEventListener("abort", () => resolve(undefined), { once: true, signal: over.signal });
  });
  const unlessOver = <T>(awaited: Promise<T>) =>
    Promise.race([awaited, ended.then(() => undefined), aborted]);
  try {
    const pid = await unlessOver(firstPid);
    const init = pid === undefined ? undefined : identityOf(pid);
    if (!init) return await giveUp();
    means.cgroup.add(init.pid);
    block.end("x");
    if ((await unlessOver(firstLine(gate))) === undefined) return await giveUp();
    const home = HomeFolder.open(`/proc/${init.pid}/root${places.home}`);
    gate.end("go\n");
    return { kind: "standing", outer, init, home, ended };
  } catch {
    // The sandbox went away under our hands.
    return await giveUp();
  } finally {
    over.abort();
  }
}

/** Ends a standing sandbox; true when nothing of it lives. */
export async function killSandbox({ init, outer, ended }: Standing): Promise<boolean> {
  const isEmpty = await killForSure(init, killWithinMs);
  outer.kill("SIGKILL");
  await ended;
  return isEmpty;
}

function spawnSandbox(
  { slot, command, streams }: Run,
  { filter, nothing, inherited, resourceLimits }: LaunchMeans,
) {
  const outer = spawn(
    "bwrap",
    ["--args", String(descriptors.options), "--", ...gated(command, resourceLimits)],
    {
      stdio: coveredStdio([...streams.child, filter, "pipe", "pipe", "pipe", "pipe"], inherited, nothing),
      env: { PATH: "/usr/local/bin:/usr/bin:/bin" },
      cwd: "/",
      detached: true,
      ...(slot.hasOwnUid && { uid: slot.uid, gid: slot.gid }),
    },
  );
  const pipe = (name: keyof typeof descriptors): Duplex => {
    const found = (outer.stdio as readonly unknown[])[descriptors[name]] as Duplex;
    // A sandbox that ends early must not end the worker (EPIPE).
    found.on("error", () => found.destroy());
    return found;
  };
  const ended = exitOf(outer);
  return {
    outer,
    ended,
    status: pipe("status"),
    block: pipe("block"),
    gate: pipe("gate"),
    options: pipe("options"),
  };
}

/** Reads one line; undefined when the stream ends without one. Later bytes are dropped: by then they are a stranger's. */
async function firstLine(stream: Duplex): Promise<string | undefined> {
  return await new Promise((resolve) => {
    let text = "";
    stream.on("data", (chunk: Buffer) => {
      if (text.includes("\n")) return;
      text += chunk.toString("latin1");
      if (text.includes("\n")) resolve(text.slice(0, text.indexOf("\n")));
    });
    stream.once("close", () => resolve(undefined));
  });
}

function firstPidIn(line: string | undefined): number | undefined {
  const pid: unknown = line === undefined ? undefined : JSON.parse(line)["child-pid"];
  return typeof pid === "number" ? pid : undefined;
}
