/*
 * A run as the fold of its history. `evolve` is the only writer of these
 * records; they are changed in place, because a run has one owner, and copying
 * them would be most of the work.
 */
import type { FailedAttempt, Failure, Labels, Lease, LeftFile, ParentTask, TimerKind } from "./event.ts";
import type { Json } from "./json.ts";
import type { Plan } from "./plan.ts";
import type { RunState, TaskState } from "./task-state.ts";

/** How many events a run may have before it takes no more questions and begins no attempt after one that failed. */
export const maxEvents = 100_000;

/** How many tasks a run may have, items included: each is in memory as long as the run goes on, and its end is an event. */
export const maxTasks = 100_000;

/** How much all outputs of a run may take, in characters of JSON: they are in memory as long as it goes on. Larger work becomes sub-runs, or is kept elsewhere. */
export const maxOutputLength = 64 * 1024 * 1024;

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
  /** One for each node of the plan, in its order; then those of items, as they were made. */
  readonly tasks: Task[];
  /** The seq of the last event. */
  seq: number;
  state: RunState;
  failure: Failure | undefined;
  isCancelRequested: boolean;
  /** When its latest fact was decided. */
  updatedAt: Date;
  /** Whether it was paused with the run that started it. */
  isPausedWithParent: boolean;
  /** How many tasks are not final yet. */
  unfinished: number;
  /** How much all outputs take, in characters of JSON. */
  outputLength: number;
  /** Signals that no task has taken yet, oldest first. */
  readonly signals: Signal[];
  /** Tasks that wait for a signal, by its name; first who has waited longest. */
  readonly awaiting: Map<string, Set<Task>>;
  /** Digests of the requests that sent signals, as `signalKey` has them. */
  readonly signalRequests: Map<string, string>;
  /** What clients paused and resumed it by, as `steerKey` has it. */
  readonly steered: Set<string>;
  endedAt: Date | undefined;
}

/** A value that was sent to a run. */
export interface Signal {
  readonly name: string;
  readonly payload: Json;
  readonly clientId: string;
  readonly at: Date;
}

/** One node's work, or one item's. */
export interface Task {
  /** The node's id; `<node>.<index>` for an item. Unique within the run. */
  readonly name: string;
  readonly node: number;
  /** What a `for_each` node's task for one item is about. */
  readonly item: { readonly index: number; readonly value: Json } | undefined;
  state: TaskState;
  /** The latest attempt, from 1; 0 before the first. */
  attempt: number;
  /** How many dependencies are not settled. */
  waitsFor: number;
  /** How many dependencies let it go on: they completed, or failed and that was to be borne. */
  passed: number;
  /** Whether it would go on but for its run, which is held or paused. */
  isHeld: boolean;
  /** What a clock will bring, and when. */
  timer: { readonly kind: TimerKind; readonly at: Date } | undefined;
  /** Of the latest attempt; stays after its end, so that a repeated report is known. */
  lease: Lease | undefined;
  /** The last report of the latest attempt that was applied. */
  report: number;
  /** Whether the latest attempt was taken from its worker: nothing that it reports counts. */
  isRevoked: boolean;
  /** How many attempts were lost with their workers. */
  lostCount: number;
  /** How many attempts failed, and how the last of them did. */
  failedCount: number;
  lastFailure: FailedAttempt | undefined;
  output: Json | undefined;
  failure: Failure | undefined;
  prompts: Prompt[];
  /** How many of them are open. */
  openPrompts: number;
  files: readonly LeftFile[];
  /** The last transcript entry of each attempt that ended with a report. */
  readonly lastSeqs: Map<number, number>;
  /** The token of the lease of each attempt that ended with a report: what its holder says may come again. */
  readonly endedBy: Map<number, string>;
  /** What a `for_each` node is made of; undefined before its items are known. */
  items: Items | undefined;
  /** The signal that it waits for. */
  awaitedSignal: string | undefined;
  /** The run that its latest attempt started. */
  childRunId: string | undefined;
  /** When it began to wait for a worker. */
  queuedAt: Date | undefined;
  startedAt: Date | undefined;
  endedAt: Date | undefined;
}

/** The tasks of a `for_each` node's items. */
export interface Items {
  readonly tasks: readonly Task[];
  /** The first that was not begun. */
  next: number;
  /** How many have ended. */
  ended: number;
  /** Whether one failed, and those that had not begun were skipped for it. */
  isFailing: boolean;
}

/** A question that an attempt asked. */
export interface Prompt {
  readonly promptId: string;
  readonly attempt: number;
  readonly text: string;
  readonly password: boolean;
  /** What may be answered; empty: any text. */
  readonly choices: readonly string[];
  readonly openedAt: Date;
  /** When it is answered with nothing; undefined: it waits for ever. */
  readonly closesAt: Date | undefined;
  /** `timed_out`: answered with nothing, because nobody did in time. */
  state: "open" | "answered" | "timed_out" | "attempt_ended";
  answeredBy: string | undefined;
  requestId: string | undefined;
  /** Undefined for a secret. */
  answer: string | undefined;
}

/** The task of a name, or undefined when the run has none. */
export function taskOf(run: Run | undefined, name: string): Task | undefined {
  if (run === undefined) return undefined;
  const dot = name.indexOf(".");
  const index = run.plan.indexOf.get(dot < 0 ? name : name.slice(0, dot));
  const task = index === undefined ? undefined : run.tasks[index];
  if (dot < 0) return task;
  const item = task?.items?.tasks[Number(name.slice(dot + 1))];
  return item?.name === name ? item : undefined;
}

/** The single task of a run that executes no workflow; undefined for others. */
export function standAloneTask({ workflowId, tasks }: Run): Task | undefined {
  return workflowId === undefined ? tasks[0] : undefined;
}

/** Whether an attempt of the task is handed out or being carried out. */
export function isUnderway({ state }: Task): boolean {
  return state === "queued" || state === "starting" || state === "running" || state === "waiting_for_input";
}

/** Whether an attempt waits for a worker, as far as is known. */
export function isUntaken({ state, lease }: Task): boolean {
  return state === "queued" && lease === undefined;
}

/** Whether a worker holds the latest attempt and has not ended it. */
export function isHeldByWorker(task: Task): boolean {
  return task.lease !== undefined && isUnderway(task);
}

/** Whether nothing more of a run may start at the moment. */
export function isHolding({ state }: Run): boolean {
  return state === "pending" || state === "paused";
}

/** A request of a client's that sent a signal. */
export function signalKey({
  clientId,
  requestId,
}: {
  readonly clientId: string;
  readonly requestId: string;
}): string {
  return `${clientId} ${requestId}`;
}

/** A pause or resumption that a client asked for. */
export function steerKey(
  kind: "pause" | "resume",
  { clientId, requestId }: { readonly clientId: string; readonly requestId: string },
): string {
  return `${kind} ${clientId} ${requestId}`;
}
