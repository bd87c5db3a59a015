/*
 * The facts that a run's history is made of: what came from outside. What
 * follows from them (queued, skipped, the run completed) is derived by the fold
 * and never stored. A type that was written once is understood for ever.
 */
import type { Definition } from "./definition.ts";
import type { Json } from "./json.ts";

/** One fact, as it stands in history. */
export type RunEvent = EventPlace & Fact;

/** Where a fact stands. */
export interface EventPlace {
  /** 1, 2, 3, … within the run. */
  readonly seq: number;
  /** When it was decided, by the clock of the database. */
  readonly at: Date;
}

/** Why a task did not complete. */
export interface Failure {
  readonly reason: string;
  readonly message: string;
  /** The node where it began. */
  readonly nodeId: string;
  readonly exitCode?: number;
}

/** What a failed attempt says about itself and the next one. */
export interface FailedAttempt extends Pick<Failure, "reason" | "message" | "exitCode"> {
  /** The handler says that no other attempt will do better. */
  readonly nonRetryable?: boolean;
  /** The handler says how long to wait before the next one; takes the place of the policy's delay. */
  readonly retryDelayMs?: number;
}

/** A file that an attempt left behind. */
export interface LeftFile {
  readonly path: string;
  readonly size: number;
}

/** How an attempt ended. */
export type Outcome =
  | { readonly kind: "completed"; readonly output: Json }
  | ({ readonly kind: "failed" } & FailedAttempt)
  | { readonly kind: "cancelled" };

/** Names and values that something is found by. */
export type Labels = { readonly [name: string]: string };

/** The task whose `workflow` node started a run. */
export interface ParentTask {
  readonly runId: string;
  readonly nodeId: string;
  readonly attempt: number;
  /** How many runs there are above, the parent included. */
  readonly depth: number;
  /** The topmost of them; undefined for the parent itself. */
  readonly rootRunId?: string;
}

/** A node that completed in a run that is repeated. */
export interface KeptOutput {
  readonly nodeId: string;
  readonly output: Json;
  readonly files: readonly LeftFile[];
  /** What it asked, for the templates of nodes that name it; absent when nothing. */
  readonly prompts?: readonly KeptPrompt[];
}

/** A question of a node that completed in a run that is repeated. Has no answer when it was secret, or closed without one. */
export interface KeptPrompt {
  readonly promptId: string;
  readonly attempt: number;
  readonly text: string;
  readonly password: boolean;
  /** As ISO 8601. */
  readonly openedAt: string;
  readonly answeredBy?: string;
  readonly answer?: string;
  /** Whether nobody answered in time. */
  readonly isTimedOut?: true;
}

/** A worker's right to an attempt. */
export interface Lease {
  readonly workerId: string;
  readonly incarnation: string;
  readonly token: string;
  /** Public key for secret answers, in base64; programs have one. */
  readonly sealKey?: string;
}

/** What came from outside. */
export type Fact =
  | {
      readonly type: "run_started";
      readonly clientId: string;
      readonly requestId: string;
      /** Digest of the request that started it: a repeat has the same. */
      readonly requestDigest: string;
      /** Undefined for a stand-alone task. */
      readonly workflowId?: string;
      readonly workflowVersion?: string;
      readonly definition: Definition;
      readonly input: Json;
      /** Whether the run waits to be resumed before anything of it starts. */
      readonly hold?: boolean;
      readonly priority?: number;
      readonly labels?: Labels;
      /** The task of another run that started it. */
      readonly parent?: ParentTask;
      readonly scheduleId?: string;
      /** The nominal time of the firing that started it, as ISO 8601. */
      readonly scheduledAt?: string;
      readonly rerunOf?: string;
      /** What a repetition keeps of the run that it repeats. */
      readonly kept?: readonly KeptOutput[];
    }
  | AttemptFact<"task_leased", { readonly lease: Lease; readonly report: number }>
  | AttemptFact<"task_started", { readonly report: number }>
  | AttemptFact<
      "prompt_opened",
      {
        readonly promptId: string;
        readonly text: string;
        readonly password: boolean;
        readonly report: number;
      }
    >
  | AttemptFact<
      "prompt_answered",
      {
        readonly promptId: string;
        readonly answeredBy: string;
        readonly requestId: string;
        /** Absent when the answer was sealed: it is stored nowhere. */
        readonly answer?: string;
        /** Whether nobody answered in time: the answer is empty, and so is who gave it. */
        readonly isTimedOut?: true;
        /** The report that confirmed a sealed answer; absent else. */
        readonly report?: number;
      }
    >
  | AttemptFact<
      "task_ended",
      {
        readonly outcome: Outcome;
        readonly lease: Lease;
        readonly report: number;
        readonly lastSeq: number;
        readonly files: readonly LeftFile[];
      }
    >
  | AttemptFact<
      "lease_lapsed",
      {
        readonly workerId: string;
        /** Whether the worker gave the attempt back, because it ends: nothing went wrong. */
        readonly isReleased?: boolean;
      }
    >
  | AttemptFact<
      "timer_fired",
      {
        readonly timer: TimerKind;
        /** Who held the attempt whose time was over. */
        readonly workerId?: string;
      }
    >
  | AttemptFact<
      "child_ended",
      {
        readonly childRunId: string;
        readonly outcome: Outcome;
      }
    >
  | {
      readonly type: "signal_received";
      readonly name: string;
      readonly payload: Json;
      readonly clientId: string;
      readonly requestId: string;
      /** Digest of the request: a repeat has the same. */
      readonly requestDigest: string;
    }
  | (RunCommandFact<"pause_requested"> & {
      /** Whether it was paused with the run that started it, and goes on with that. */
      readonly withParent?: true;
    })
  | RunCommandFact<"resume_requested">
  | RunCommandFact<"cancel_requested">
  | { readonly type: "run_refused"; readonly message: string };

/** What a task waits for that a clock brings: its next attempt, the end of its sleep, the end of an attempt's or of the queue's patience. */
export type TimerKind = "retry" | "sleep" | "timeout" | "queue_timeout";

/** What somebody asked of a run as a whole. */
export interface RunCommandFact<Type extends string> {
  readonly type: Type;
  readonly clientId: string;
  readonly requestId: string;
}

/** A fact about one attempt of one task; `nodeId` is the task's name: that of its node, or `<node>.<index>` for an item. */
export type AttemptFact<Type extends string, Rest> = {
  readonly type: Type;
  readonly nodeId: string;
  readonly attempt: number;
} & Rest;
