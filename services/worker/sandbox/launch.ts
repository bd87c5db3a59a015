import type { HomeFolder } from "./home-folder.ts";
import type { EndingLimit, ProgramLimits } from "./limits.ts";
import type { ProcessExit } from "./program-end.ts";
import type { ProgramStreams } from "./program-streams.ts";
import type { Mount, Places, SandboxReport } from "./sandbox.ts";
import type { Slot } from "./slots.ts";

/** What a backend needs to know of one program. */
export interface Run {
  readonly slot: Slot;
  readonly limits: ProgramLimits;
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** Names in the inputs folder that the home folder links to. */
  readonly inputNames: readonly string[];
  readonly mounts: readonly Mount[];
  readonly streams: ProgramStreams;
}

/** A program that runs. */
export interface Launched {
  readonly kind: "launched";
  readonly home: HomeFolder;
  /** Resolves when the program's first process has ended; others may live. */
  readonly ended: Promise<ProcessExit>;
  /** Asks the program's process group to end. */
  terminate(): void;
  /** Ends all processes; true when none is left. May be called again. */
  kill(): Promise<boolean>;
  /** Whether the kernel killed for memory. To be asked after the end. */
  outOfMemory(): boolean;
  /** Looks whether a limit that nothing else holds is passed. */
  passedLimit(): Promise<EndingLimit | undefined>;
  /** Removes what the launch made; true when all is gone. To be called after the end, once. */
  remove(): Promise<boolean>;
}

/** A program that could not be started, or was aborted before it ran. */
export interface NotLaunched {
  readonly kind: "not_launched";
  /** Why; undefined when its standard error is all there is. */
  readonly reason: string | undefined;
  /** Whether it is certain that nothing is left. */
  readonly isEmpty: boolean;
}

/** A way to isolate programs. */
export interface Backend {
  readonly report: SandboxReport;
  /** Where the program of a slot finds things. */
  places(slot: Slot, mounts: readonly Mount[]): Places;
  /** The path at which the program of a slot finds its socket. */
  socket(slot: Slot): string;
  /** Ends and removes what a former worker left of this kind in a slot; throws when it cannot. */
  sweep(slot: Slot): Promise<void>;
  launch(run: Run, signal: AbortSignal | undefined): Promise<Launched | NotLaunched>;
}
