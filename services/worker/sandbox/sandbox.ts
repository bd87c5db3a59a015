import type { Readable, Writable } from "node:stream";
import type { ProgramChannel } from "./channel.ts";
import type { Collection, CollectLimits } from "./collect.ts";
import type { EndingLimit, ProgramLimits } from "./limits.ts";
import type { StartMessage } from "./program-message.ts";

/*
 * The port between the worker and whatever isolates programs.
 *
 *   S1. A program sees nothing of the worker: not its environment, descriptors,
 *       processes, files or network, only what its spec names.
 *   S2. `exited` resolves when no process of the program is alive, whoever
 *       ended it and however it defended itself.
 *   S3. Artifacts are read only after that.
 *   S4. A slot is used again only when it is verified empty; one that cannot be
 *       emptied stays taken.
 *   S5. Nothing that a program does throws into the worker.
 *   S6. When the worker dies, its programs die; what else it leaves is removed
 *       by the next worker that takes the slot.
 */

/** Where a program finds its things. A sandbox with a file system of its own uses fixed paths, `process` real ones. */
export interface Places {
  /** The program's writable home and working folder. */
  readonly home: string;
  /** The read-only folder with the input files. */
  readonly inputs: string;
  /** The path under which the program sees a path below a mount's target. */
  readonly at: (path: string) => string;
}

/** A host folder or file that the program may read, never write. */
export interface Mount {
  /** Absolute path on the host; must not lie where a program could have written. */
  readonly source: string;
  /** Absolute path in the sandbox; not below a place that the program can write. */
  readonly target: string;
}

/** One program to run. */
export interface ProgramSpec {
  /** The program and its arguments, given where things are. Its first element is a path or a name on PATH. */
  command(places: Places): readonly string[];
  /** What the program's environment holds besides HOME, PATH, LANG, TMPDIR and the ANTIPHON_* names. */
  readonly variables?: Readonly<Record<string, string>>;
  /** Files by relative name; read-only in the inputs folder, each top name also linked from the home folder. */
  readonly inputs?: ReadonlyMap<string, Uint8Array>;
  readonly mounts?: readonly Mount[];
  /** What the program can reach besides itself. There is no value for more than nothing. */
  readonly network: "none";
  /** `closed` reads end of file at once. */
  readonly stdin: "open" | "closed";
  readonly limits?: Partial<ProgramLimits>;
  /** What every connection to ANTIPHON_SOCKET is told first. */
  readonly start: StartMessage;
}

/**
 * How a program ended.
 *
 * A sandbox reports a signal as the exit code 128 + its number, as shells do;
 * a program that exits with such a code by itself is shown as signalled. A
 * command that does not exist exits with 127, one that cannot be run with 126.
 */
export type ProgramEnd =
  | { readonly kind: "exited"; readonly code: number }
  | { readonly kind: "signalled"; readonly signal: NodeJS.Signals }
  | { readonly kind: "limit"; readonly which: EndingLimit }
  | { readonly kind: "failed_to_start"; readonly reason: string };

/** Stops and continues the count of wall time. */
export interface PausableClock {
  /** Counts no time until as many `resume` as `pause` have been called. */
  pause(): void;
  resume(): void;
  /** Wall time counted so far. */
  readonly elapsedMs: number;
}

/** A program that was started. Disposing ends it, removes all it left and frees its slot. */
export interface SandboxedProgram extends AsyncDisposable {
  /** Undefined when the spec closed it. A program that never reads makes `write` answer false. */
  readonly stdin: Writable | undefined;
  /** The exact bytes. Whoever does not read stops the program after about 128 KiB. Ends after the program's end. */
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly channel: ProgramChannel;
  readonly clock: PausableClock;
  /** Resolves when no process of the program is alive; never rejects. Its output may still wait to be read. */
  readonly exited: Promise<ProgramEnd>;
  /**
   * Ends the program: SIGTERM to its process group, `graceMs` of time, then
   * the sure kill. With `limit` the end names that limit. The first stop
   * decides; a later one can only shorten the grace.
   */
  stop(how: { readonly graceMs: number; readonly limit?: EndingLimit }): Promise<ProgramEnd>;
  /** What the program left in its output folders. Throws when the program has not ended. */
  collect(limits?: CollectLimits): Promise<Collection>;
  /** The bytes of ANTIPHON_RESULT_FILE; undefined when absent, no plain file, or over `maxBytes`. */
  resultFile(maxBytes: number): Promise<Uint8Array | undefined>;
}

/** Who holds a limit. `watcher` looks now and then, so a fast program can overshoot it for a moment. */
export type Enforcement = "cgroup-v1" | "cgroup-v2" | "watcher" | "rlimit" | "none";

/** What a usable sandbox does and does not hold. */
export interface SandboxReport {
  readonly backend: "bubblewrap" | "process";
  readonly memory: Enforcement;
  readonly processes: Enforcement;
  readonly cores: Enforcement;
  /** The bound on a program's files. */
  readonly storage: "tmpfs" | "rlimit";
  /** One uid per slot, apart from the worker's. */
  readonly ownUids: boolean;
  /** Limits and protections that are missing here, in words for an operator. */
  readonly missing: readonly string[];
}

/** Runs programs, as many at a time as it has slots. Disposing ends all of them and gives the slots back. */
export interface Sandbox extends AsyncDisposable {
  readonly report: SandboxReport;
  readonly slots: number;
  /**
   * Starts a program; resolves when it runs or has failed to start (`exited`
   * tells). Aborting `signal` ends it at once, at any moment. Throws when no
   * slot is free, or RangeError/TypeError when the spec itself is wrong.
   */
  start(spec: ProgramSpec, signal?: AbortSignal): Promise<SandboxedProgram>;
}

/** Why a backend cannot be used, and the command that mends it. */
export interface Unusable {
  readonly kind: "unusable";
  readonly reason: string;
  readonly mend: string;
}
