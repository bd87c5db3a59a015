/*
 * A run as the fold of its history. `evolve` is the only writer of these
 * records; they are changed in place, because a run has one owner, and copying
 * them would be most of the work.
 */
import type { Failure, Labels, Lease, LeftFile, ParentTask } from "./event.ts";
import type { Json } from "./json.ts";
import type { Plan } from "./plan.ts";
import type { RunState, TaskState } from "./task-state.ts";

/** One execution. */
export interface Run {
  readonly runId: string;
  readonly plan: Plan;
  readonly clientId: string;
  readonly requestId: string;
  readonly requestDigest: string;
  readonly workflowId: string | undefined;
  readonly workflowVersion: string | undefined;
  readonly priority: number;
  readonly labels: Labels;
  readonly parent: ParentTask | undefined;
  readonly scheduleId: string | undefined;
  readonly scheduledAt: string | undefined;
  readonly rerunOf: string | undefined;
  readonly input: Json;
  readonly createdAt: Date;
  /** In the order of the plan's nodes. */
  readonly tasks: readonly Task[];
  /** The seq of the last event. */
  seq: number;
  state: RunState;
  failure: Failure | undefined;
  isCancelRequested: boolean;
  /** How many tasks are not final yet. */
  unfinished: number;
  endedAt: Date | undefined;
}

/** One node's work. */
export interface Task {
  readonly node: number;
  state: TaskState;
  /** The latest attempt, from 1; 0 while pending. */
  attempt: number;
  /** How many dependencies have not completed. */
  waitsFor: number;
  /** Of the latest attempt; stays after its end, so that a repeated report is known. */
  lease: Lease | undefined;
  /** The last report of the latest attempt that was applied. */
  report: number;
  /** How many attempts were lost with their workers. */
  lostCount: number;
  output: Json | undefined;
  failure: Failure | undefined;
  prompts: Prompt[];
  files: readonly LeftFile[];
  /** The last transcript entry of each attempt that ended with a report. */
  readonly lastSeqs: Map<number, number>;
  startedAt: Date | undefined;
  endedAt: Date | undefined;
}

/** A question that an attempt asked. */
export interface Prompt {
  readonly promptId: string;
  readonly attempt: number;
  readonly text: string;
  readonly password: boolean;
  readonly openedAt: Date;
  state: "open" | "answered" | "attempt_ended";
  answeredBy: string | undefined;
  requestId: string | undefined;
  /** Undefined for a secret. */
  answer: string | undefined;
}
