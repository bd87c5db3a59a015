/*
 * What is simulated at the moment. The modules that stand in for production's
 * (handlers, the owner that is looked at) are reached by nothing else.
 */
import type { SimulatedProcess } from "../world/simulated-process.ts";
import type { World } from "../world/world.ts";
import type { Ledger } from "./ledger.ts";
import type { RecordChecks } from "./record-checks.ts";
import type { TranscriptChecks } from "./transcript-checks.ts";
import type { Violations } from "./violations.ts";
import type { WorkChecks } from "./work-checks.ts";

export interface Present {
  readonly world: World;
  readonly ledger: Ledger;
  readonly violations: Violations;
  readonly work: WorkChecks;
  readonly transcripts: TranscriptChecks;
  readonly records: RecordChecks;
}

let present: Present | undefined;

/** Sets what is simulated. */
export function setPresent(now: Present | undefined): void {
  present = now;
}

/** What is simulated. Throws outside of a simulation. */
export function presentSimulation(): Present {
  if (present === undefined) throw new Error("nothing is simulated");
  return present;
}

/** The process in whose life this is called. Throws outside of one. */
export function presentProcess(): SimulatedProcess {
  const { current } = presentSimulation().world;
  if (current === undefined) throw new Error("no process is at it");
  return current;
}
