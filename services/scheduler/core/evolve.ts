/*
 * The fold of a run's history.
 *
 *   E1. `evolve` depends on nothing but the run and the event, so every replica
 *       that folds the same history holds the same run.
 *
 * What follows from each fact stands in step.ts, with E2 to E6.
 */
import { approvalOf, verdictOf } from "./engine-handler.ts";
import type { AttemptFact, KeptPrompt, Outcome, RunEvent } from "./event.ts";
import { newTask } from "./new-task.ts";
import { configOf } from "./node-config.ts";
import { type Plan, planOf } from "./plan.ts";
import {
  isHeldByWorker,
  isHolding,
  isUntaken,
  type Prompt,
  type Run,
  signalKey,
  steerKey,
  type Task,
  taskOf,
} from "./run.ts";
import { deliverSignal } from "./signals.ts";
import { type Consequences, Step } from "./step.ts";
import { isFinalTask } from "./task-state.ts";

/** How often a task is handed out anew after its worker was lost, before it fails. */
export const maxLostAttempts = 10;

/** The run that its first event starts. */
export function begin(runId: string, event: RunEvent, plan?: Plan): { readonly run: Run } & Consequences {
  if (event.type !== "run_started") throw new Error(`history of run ${runId} begins with ${event.type}`);
  const used = plan ?? planOf(event.definition);
  const run: Run = {
    runId,
    plan: used,
    clientId: event.clientId,
    requestId: event.requestId,
    requestDigest: event.requestDigest,
    workflowId: event.workflowId,
    workflowVersion: event.workflowVersion,
    priority: event.priority ?? 0,
    labels: event.labels ?? {},
    parent: event.parent,
    scheduleId: event.scheduleId,
    scheduledAt: event.scheduledAt,
    rerunOf: event.rerunOf,
    input: event.input,
    createdAt: event.at,
    tasks: used.nodes.map(({ id, index, dependencies }) => {
      return newTask({ name: id, node: index, waitsFor: dependencies.length, item: undefined });
    }),
    seq: event.seq,
    state: event.hold === true ? "pending" : "running",
    failure: undefined,
    isCancelRequested: false,
    updatedAt: event.at,
    isPausedWithParent: false,
    unfinished: used.nodes.length,
    outputLength: 0,
    signals: [],
    awaiting: new Map(),
    signalRequests: new Map(),
    steered: new Set(),
    endedAt: undefined,
  };
  const step = new Step(run, event.at);
  const first = run.tasks.filter(({ node, waitsFor }) => waitsFor === 0 && node !== used.onFailure);
  for (const { nodeId, output, files, prompts = [] } of event.kept ?? []) {
    const task = taskOf(run, nodeId);
    if (task === undefined)
      throw new Error(`run ${runId} keeps an output of ${nodeId}, which it does not have`);
    task.files = files;
    task.prompts = prompts.map(keptPrompt);
    step.complete(task, output);
  }
  for (const task of first) if (task.state === "pending") step.open(task);
  step.settle();
  return { run, ready: step.ready, changed: step.changed, asked: step.asked };
}

/** Applies the next event to a run, in place. */
export function evolve(run: Run, event: RunEvent): Consequences {
  if (event.seq !== run.seq + 1) throw new Error(`run ${run.runId}: event ${event.seq} after ${run.seq}`);
  run.seq = event.seq;
  run.updatedAt = event.at;
  const step = new Step(run, event.at);
  apply(step, event);
  step.settle();
  return step;
}

/** Tasks that wait for a worker, with their configs: what has to be published after a take-over, and when a paused run goes on. */
export function readyTasks(run: Run): Consequences["ready"] {
  if (isHolding(run)) return [];
  return run.tasks.flatMap((task) => {
    if (!isUntaken(task)) return [];
    const config = configOf(run, task);
    return "fault" in config ? [] : [{ task, config: config.value }];
  });
}

function apply(step: Step, event: RunEvent): void {
  const { run } = step;
  switch (event.type) {
    case "run_started":
      throw new Error(`run ${run.runId} was started twice`);
    case "cancel_requested":
      run.isCancelRequested = true;
      for (const task of run.tasks) step.cancel(task);
      return;
    case "pause_requested":
      run.state = "paused";
      run.steered.add(steerKey("pause", event));
      run.isPausedWithParent = event.withParent === true;
      // The queue's patience ends only while something is handed out.
      for (const task of run.tasks) if (isUntaken(task)) step.stopTimer(task);
      return;
    case "resume_requested":
      run.steered.add(steerKey("resume", event));
      resume(step);
      return;
    case "signal_received": {
      const { name, payload, clientId, requestId, requestDigest, at } = event;
      run.signalRequests.set(signalKey({ clientId, requestId }), requestDigest);
      deliverSignal(step, { name, payload, clientId, at });
      return;
    }
    case "run_refused":
      run.failure = { reason: "REFUSED_BY_STORE", message: event.message, nodeId: "" };
      for (const task of run.tasks) if (!isFinalTask(task.state)) step.fail(task, run.failure);
      return;
    default:
      applyToAttempt(step, event);
  }
}

/** Lets a held or paused run go on: with what waited for it, and with what was queued and is handed out anew. */
function resume(step: Step): void {
  const { run } = step;
  run.state = "running";
  run.isPausedWithParent = false;
  const again = readyTasks(run);
  for (const { task } of again) step.limitQueueing(task);
  step.ready.push(...again);
  for (const task of run.tasks) if (task.isHeld) step.open(task);
}

function applyToAttempt(step: Step, event: Extract<RunEvent, AttemptFact<string, unknown>>): void {
  const { run } = step;
  const task = taskOf(run, event.nodeId);
  if (task === undefined || task.attempt !== event.attempt || isFinalTask(task.state)) {
    throw new Error(`run ${run.runId}: ${event.type} about attempt ${event.attempt} of ${event.nodeId}`);
  }
  if ("report" in event && event.report !== undefined) task.report = event.report;
  switch (event.type) {
    case "task_leased": {
      task.lease = event.lease;
      task.startedAt = step.at;
      task.timer = undefined;
      step.changed.add(task);
      const isStarting = event.lease.sealKey !== undefined;
      step.enter(task, isStarting ? "starting" : "running");
      if (!isStarting) step.limitAttempt(task);
      return;
    }
    case "task_started":
      step.changed.add(task);
      step.enter(task, task.openPrompts > 0 ? "waiting_for_input" : "running");
      // Of what was begun by its lease the time is counted already.
      if (task.timer === undefined) step.limitAttempt(task);
      return;
    case "prompt_opened": {
      const { promptId, attempt, text, password, at } = event;
      const { promptTimeoutMs } = step.nodeOf(task);
      const closesAt = promptTimeoutMs === undefined ? undefined : new Date(at.getTime() + promptTimeoutMs);
      const asked = { promptId, attempt, text, password, choices: [], openedAt: at, closesAt };
      task.prompts.push({ ...asked, ...unanswered, state: "open" });
      task.openPrompts += 1;
      step.changed.add(task);
      step.enter(task, "waiting_for_input");
      return;
    }
    case "prompt_answered":
      answer(step, task, event);
      return;
    case "task_ended":
      if (task.lease === undefined) {
        task.lease = event.lease;
        task.startedAt = step.at;
      }
      task.lastSeqs.set(event.attempt, event.lastSeq);
      task.endedBy.set(event.attempt, event.lease.token);
      task.files = event.files;
      endAttempt(step, task, event.outcome);
      return;
    case "lease_lapsed":
      if (event.isReleased !== true) task.lostCount += 1;
      if (run.isCancelRequested) {
        step.enter(task, "cancelled");
      } else if (task.lostCount > maxLostAttempts) {
        step.fail(task, { reason: "WORKER_LOST", message: `the worker was lost ${task.lostCount} times` });
      } else {
        step.reopen(task);
      }
      return;
    case "timer_fired":
      fire(step, task, event.timer);
      return;
    case "child_ended":
      endAttempt(step, task, event.outcome);
      return;
  }
}

function answer(step: Step, task: Task, event: Extract<RunEvent, { type: "prompt_answered" }>): void {
  const { run } = step;
  // From the end, where it nearly always stands: a task may have asked thousands.
  const prompt = task.prompts.findLast(({ promptId }) => promptId === event.promptId);
  if (prompt === undefined) throw new Error(`run ${run.runId} has no prompt ${event.promptId}`);
  if (prompt.state === "open") task.openPrompts -= 1;
  const isTimedOut = event.isTimedOut === true;
  prompt.state = isTimedOut ? "timed_out" : "answered";
  prompt.answeredBy = isTimedOut ? undefined : event.answeredBy;
  prompt.requestId = isTimedOut ? undefined : event.requestId;
  prompt.answer = event.answer;
  step.changed.add(task);
  if (step.nodeOf(task).engine === "approval") {
    endApproval(step, task, event);
  } else if (task.openPrompts === 0) {
    step.enter(task, "running");
  }
}

function endApproval(step: Step, task: Task, event: Extract<RunEvent, { type: "prompt_answered" }>): void {
  const config = configOf(step.run, task);
  const approval = "fault" in config ? config : approvalOf(config.value);
  const said = event.answer ?? "";
  const verdict = "fault" in approval ? undefined : verdictOf(approval.value, said);
  if (verdict === undefined || "fault" in approval) {
    throw new Error(`run ${step.run.runId}: ${task.name} can not be answered so`);
  }
  task.lastSeqs.set(event.attempt, 2);
  const { answeredBy, at } = event;
  const output = { ...verdict, answer: said, answered_by: answeredBy, answered_at: at.toISOString() };
  if (verdict.approved || !approval.value.failOnReject) step.complete(task, output);
  else step.fail(task, { reason: "APPROVAL_REJECTED", message: `${answeredBy} rejected it` });
}

function endAttempt(step: Step, task: Task, outcome: Outcome): void {
  if (outcome.kind === "completed") step.complete(task, outcome.output);
  else if (outcome.kind === "cancelled") step.enter(task, "cancelled");
  else step.failAttempt(task, outcome);
}

function fire(step: Step, task: Task, timer: Extract<RunEvent, { type: "timer_fired" }>["timer"]): void {
  task.timer = undefined;
  switch (timer) {
    case "retry":
      step.open(task);
      return;
    case "sleep":
      step.complete(task, { slept_until: step.at.toISOString() });
      return;
    case "queue_timeout":
      step.fail(task, { reason: "QUEUE_TIMEOUT", message: "no worker took it in time" });
      return;
    case "timeout": {
      task.isRevoked = isHeldByWorker(task);
      const ms = step.nodeOf(task).timeoutMs ?? 0;
      step.failAttempt(task, { reason: "TIMED_OUT", message: `the attempt took longer than ${ms} ms` });
      return;
    }
  }
}

function keptPrompt({ openedAt, answeredBy, answer, isTimedOut, ...prompt }: KeptPrompt): Prompt {
  const closed = isTimedOut === true ? "timed_out" : "attempt_ended";
  return {
    ...prompt,
    choices: [],
    openedAt: new Date(openedAt),
    closesAt: undefined,
    state: answeredBy === undefined ? closed : "answered",
    answeredBy,
    requestId: undefined,
    answer,
  };
}

const unanswered: Pick<Prompt, "answeredBy" | "requestId" | "answer"> = {
  answeredBy: undefined,
  requestId: undefined,
  answer: undefined,
};
