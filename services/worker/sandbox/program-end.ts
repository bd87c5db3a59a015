import type { ChildProcess } from "node:child_process";
import { constants } from "node:os";
import type { EndingLimit } from "./limits.ts";
import type { ProgramEnd } from "./sandbox.ts";

/** How the kernel, or the sandbox on its behalf, says that a process ended. */
export interface ProcessExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Why there was no process at all. */
  readonly fault?: string;
}

/** Resolves when a child has ended or was never born; never rejects. */
export async function exitOf(child: ChildProcess): Promise<ProcessExit> {
  return await new Promise((resolve) => {
    child.once("exit", (code, signal) => resolve({ code, signal }));
    child.once("error", ({ message }) => {
      if (child.pid === undefined) resolve({ code: null, signal: null, fault: message });
    });
  });
}

/** The first name of a number counts: SIGABRT, not its other name SIGIOT. */
const signalNames = new Map(
  Object.entries(constants.signals)
    .reverse()
    .map(([name, number]) => [number, name as NodeJS.Signals]),
);

/** Signals of which the kernel sends one for a limit. */
const limitOfSignal: Partial<Record<NodeJS.Signals, EndingLimit>> = {
  SIGXCPU: "cpu_time",
  SIGXFSZ: "file_size",
};

/**
 * What an exit means.
 *
 * A limit for which the worker stopped the program comes first. Memory is
 * named when the kernel killed for it and the program failed: one that lost a
 * child and succeeded all the same has succeeded.
 */
export function programEnd(
  { code, signal }: ProcessExit,
  { stoppedFor, outOfMemory }: { stoppedFor: EndingLimit | undefined; outOfMemory: boolean },
): ProgramEnd {
  if (stoppedFor) return { kind: "limit", which: stoppedFor };
  if (outOfMemory && code !== 0) return { kind: "limit", which: "memory" };
  const ended = signal ?? signalNames.get((code ?? 0) - 128);
  if (!ended) return { kind: "exited", code: code ?? 0 };
  const which = limitOfSignal[ended];
  return which ? { kind: "limit", which } : { kind: "signalled", signal: ended };
}
