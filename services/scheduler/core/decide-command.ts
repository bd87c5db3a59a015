import { DomainError } from "../../../lib/errors/domain-error.ts";
import { taskIdOf } from "../../../lib/ids/task-id.ts";
import { approvalOf, verdictOf } from "./engine-handler.ts";
import type { Fact, Outcome, TimerKind } from "./event.ts";
import type { Json } from "./json.ts";
import { configOf } from "./node-config.ts";
import {
  isHeldByWorker,
  maxEvents,
  type Prompt,
  type Run,
  signalKey,
  steerKey,
  type Task,
  taskOf,
} from "./run.ts";
import { isFinalRun, isFinalTask } from "./task-state.ts";

/** Decides on the start of a run; nothing when the same request started it before. Throws `REQUEST_ID_REUSED` when another one did. */
export function decideStart(
  run: Run | undefined,
  start: Extract<Fact, { type: "run_started" }>,
): readonly Fact[] {
  if (run === undefined) return [start];
  if (run.requestDigest !== start.requestDigest) throw requestIdReused(start.requestId);
  return [];
}

/** Decides on a cancel: nothing when the run has ended or somebody cancelled it before. */
export function decideCancel(run: Run, cancel: Asking): readonly Fact[] {
  return isFinalRun(run.state) || run.isCancelRequested ? [] : [{ type: "cancel_requested", ...cancel }];
}

/** Who asks for something, and under which id. */
interface Asking {
  readonly clientId: string;
  readonly requestId: string;
}

/** Decides on a pause: nothing when the run is held, paused or cancelled, or has ended, or the same request paused it before. */
export function decidePause(run: Run, asking: Asking & { readonly withParent?: true }): readonly Fact[] {
  if (isRepeated(run, "pause", asking)) return [];
  // A run that has no room for events left can still be resumed and cancelled.
  if (run.seq >= maxEvents) return [];
  return run.state !== "running" || run.isCancelRequested ? [] : [{ type: "pause_requested", ...asking }];
}

/** Decides on a resumption: nothing unless the run is held or paused, or when the same request resumed it before. */
export function decideResume(run: Run, asking: Asking): readonly Fact[] {
  if (isRepeated(run, "resume", asking)) return [];
  const waits = run.state === "pending" || run.state === "paused";
  return waits && !run.isCancelRequested ? [{ type: "resume_requested", ...asking }] : [];
}

/** Whether a client's request was heard before: late, it must not undo what was asked for since. What no client asks for has no id of its own. */
function isRepeated(run: Run, kind: "pause" | "resume", asking: Asking): boolean {
  return asking.clientId !== "" && run.steered.has(steerKey(kind, asking));
}

/** How many signals a run keeps that no task has taken, and how many it takes in all. */
const maxWaitingSignals = 1_000;
const maxSignals = 10_000;

/**
 * Decides on a signal: nothing when the same request sent it before.
 *
 * Throws `RUN_ENDED`, `SIGNAL_LIMIT`, and `REQUEST_ID_REUSED` when the request id
 * sent another signal.
 */
export function decideSignal(
  run: Run,
  signal: Asking & { readonly name: string; readonly payload: Json; readonly requestDigest: string },
): readonly Fact[] {
  const sent = run.signalRequests.get(signalKey(signal));
  if (sent === signal.requestDigest) return [];
  if (sent !== undefined) throw requestIdReused(signal.requestId);
  const about = { run_id: run.runId };
  if (isFinalRun(run.state)) throw new DomainError("RUN_ENDED", `run ${run.runId} has ended`, about);
  const limit = run.signals.length >= maxWaitingSignals ? maxWaitingSignals : maxSignals;
  if (run.signals.length >= maxWaitingSignals || run.signalRequests.size >= maxSignals) {
    const message = `run ${run.runId} takes no more signals`;
    throw new DomainError("SIGNAL_LIMIT", message, { ...about, limit: String(limit) });
  }
  return [{ type: "signal_received", ...signal }];
}

/** Decides on a timer: nothing when it was stopped, or is not due at `now`. */
export function decideTimer(
  run: Run,
  timer: { readonly name: string; readonly attempt: number; readonly kind: TimerKind },
  now: Date,
): readonly Fact[] {
  const task = taskOf(run, timer.name);
  if (task?.timer?.kind !== timer.kind || task.attempt !== timer.attempt || task.timer.at > now) return [];
  const held = isHeldByWorker(task) ? { workerId: task.lease?.workerId ?? "" } : {};
  return [{ type: "timer_fired", nodeId: task.name, attempt: task.attempt, timer: timer.kind, ...held }];
}

/** Decides on the end of a run that a `workflow` node started: nothing when the node does not wait for it any more. */
export function decideChildEnd(
  run: Run,
  child: {
    readonly name: string;
    readonly attempt: number;
    readonly childRunId: string;
    readonly outcome: Outcome;
  },
): readonly Fact[] {
  const task = taskOf(run, child.name);
  if (task?.state !== "running" || task.attempt !== child.attempt) return [];
  const { name, attempt, childRunId, outcome } = child;
  return [{ type: "child_ended", nodeId: name, attempt, childRunId, outcome }];
}

/** An answer to a prompt. `text` is undefined when the answer is sealed. */
export interface Answer {
  readonly nodeId: string;
  readonly promptId: string;
  readonly clientId: string;
  readonly requestId: string;
  readonly text: string | undefined;
}

/** What an answer leads to. */
export type AnswerDecision =
  /** Takes effect with these facts. */
  | { readonly kind: "answered"; readonly facts: readonly Fact[] }
  /** Took effect before. */
  | { readonly kind: "repeated" }
  /** Sealed: to be delivered to the worker, whose receipt closes the prompt. */
  | { readonly kind: "deliver"; readonly task: Task; readonly prompt: Prompt };

/**
 * Decides on an answer: the first one wins.
 *
 * Throws `PROMPT_NOT_FOUND`; `PROMPT_CLOSED` when somebody else answered or the
 * attempt has ended; `REQUEST_ID_REUSED` when the same request gave another
 * answer before; `FIELD_INVALID` when a secret answer is not sealed, or another
 * one is.
 */
export function decideAnswer(run: Run, answer: Answer): AnswerDecision {
  const { nodeId, promptId, clientId, requestId, text } = answer;
  const task = taskOf(run, nodeId);
  const prompt = task?.prompts.find((asked) => asked.promptId === promptId);
  const about = { task_id: taskIdOf(run.runId, nodeId), prompt_id: promptId };
  if (task === undefined || prompt === undefined) {
    throw new DomainError("PROMPT_NOT_FOUND", `the task never opened prompt ${promptId}`, about);
  }
  if (prompt.state === "answered" && prompt.requestId === requestId && prompt.answeredBy === clientId) {
    if (prompt.answer !== text) throw requestIdReused(requestId);
    return { kind: "repeated" };
  }
  if (prompt.state !== "open" || prompt.attempt !== task.attempt || isFinalTask(task.state)) {
    const how = howClosed[prompt.state] ?? "closed with its attempt";
    throw new DomainError("PROMPT_CLOSED", `prompt ${promptId} ${how}`, about);
  }
  if (prompt.password !== (text === undefined)) {
    const message = prompt.password
      ? "is a secret and must be sealed"
      : "is no secret and must not be sealed";
    throw DomainError.ofFaults([{ path: "text", reason: "FIELD_INVALID", message }]);
  }
  if (text === undefined) return { kind: "deliver", task, prompt };
  refuseOtherThanOffered(run, task, text);
  const { attempt } = task;
  return {
    kind: "answered",
    facts: [
      { type: "prompt_answered", nodeId, attempt, promptId, answeredBy: clientId, requestId, answer: text },
    ],
  };
}

const howClosed: Readonly<Partial<Record<Prompt["state"], string>>> = {
  answered: "was answered",
  timed_out: "was answered by nobody in time",
};

/** Throws `FIELD_INVALID` for an answer to an approval that it does not offer. */
function refuseOtherThanOffered(run: Run, task: Task, text: string): void {
  if (run.plan.nodes[task.node]?.engine !== "approval") return;
  const config = configOf(run, task);
  const approval = "fault" in config ? config : approvalOf(config.value);
  if ("fault" in approval || verdictOf(approval.value, text) !== undefined) return;
  const { choices } = approval.value;
  const message = choices.length > 0 ? `is none of ${choices.join(", ")}` : "is neither yes nor no";
  throw DomainError.ofFaults([{ path: "text", reason: "FIELD_INVALID", message }]);
}

/** The refusal of a request whose id another request has used. */
export function requestIdReused(requestId: string): DomainError {
  return new DomainError("REQUEST_ID_REUSED", `request id ${requestId} was used by another request`, {
    request_id: requestId,
  });
}
