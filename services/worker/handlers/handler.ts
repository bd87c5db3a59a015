import type { Assignment } from "../../../gen/antiphon/worker/v1/assignment_pb.ts";
import type { Outcome } from "../outcome.ts";
import type { Prompts } from "../prompts.ts";
import type { TranscriptWriter } from "../transcript-writer.ts";

/** Carries out the nodes that name it. What it throws is a defect of its own, and fails the task as `HANDLER_FAILED`. */
export type Handler = ShortHandler | LeasedHandler;

/** A handler that is cheap enough to be done twice when two workers get the same task: it does not wait for a lease. */
export interface ShortHandler {
  readonly kind: "short";
  readonly run: (task: ShortTask) => Outcome | Promise<Outcome>;
}

/** A handler that begins only when the lease is committed, and can write and ask. */
export interface LeasedHandler {
  readonly kind: "leased";
  /** Which slots its attempts use: those of calls, which wait for others, or those of programs, which need the machine. */
  readonly slots: "call" | "program";
  readonly run: (task: LeasedTask) => Promise<Outcome>;
}

/** Why an attempt must end: its run was cancelled; it is not this worker's any more; or the worker ends. In the last two cases nothing that comes of it counts. */
export type EndCause = "cancelled" | "lost" | "shutdown";

export interface ShortTask {
  /** With the config: a UTF-8 JSON object. */
  readonly assignment: Assignment;
  /** The right to the attempt, once it is committed. */
  readonly leaseToken: string;
  /** Aborts when the attempt must end; its reason is an `EndCause`. */
  readonly signal: AbortSignal;
}

export interface LeasedTask extends ShortTask {
  readonly transcript: Pick<TranscriptWriter, "write" | "say">;
  readonly prompts: Pick<Prompts, "ask">;
  /** To be called once, when the work proper begins. */
  readonly started: () => void;
  /** To be called when a call was refused because the lease is another's: the signal then aborts. */
  readonly leaseLost: () => void;
}
