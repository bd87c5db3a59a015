/*
 * The fold of a run's history, and all that follows from each fact.
 *
 *   E1. `evolve` depends on nothing but the run and the event, so every replica
 *       that folds the same history holds the same run.
 *   E2. A task changes only along `leadsTo`; `enter` is the one door.
 *   E3. A task becomes ready exactly once: when `waitsFor` falls to 0, or anew
 *       with the next attempt after a lease lapsed.
 *   E4. A final task never changes; a run is final when all its tasks are.
 *   E5. When a task ends, everything that depends on it is settled in the same
 *       step: queued, failed for a template without a value, or skipped.
 */
import type { AttemptFact, Failure, Lease, RunEvent } from "./event.ts";
import type { JsonObject } from "./json.ts";
import { configOf } from "./node-config.ts";
import { type Plan, planOf } from "./plan.ts";
import type { Prompt, Run, Task } from "./run.ts";
import { isFinalTask, leadsTo, type TaskState } from "./task-state.ts";

/** How often a task is handed out anew after its worker was lost, before it fails. */
export const maxLostAttempts = 10;

/** What an event brought about, for those who act on it and watch it. */
export interface Consequences {
  /** Tasks to be handed to a worker, with their configs resolved. */
  readonly ready: { readonly task: Task; readonly config: JsonObject }[];
  /** Every task that changed, each once. */
  readonly changed: Set<Task>;
}

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
    tasks: used.nodes.map((node) => newTask(node.index, node.dependencies.length)),
    seq: event.seq,
    state: "running",
    failure: undefined,
    isCancelRequested: false,
    unfinished: used.nodes.length,
    endedAt: undefined,
  };
  const step = new Step(run, event.at);
  for (const task of run.tasks) if (task.waitsFor === 0) step.makeReady(task);
  step.settle();
  return { run, ready: step.ready, changed: step.changed };
}

/** Applies the next event to a run, in place. */
export function evolve(run: Run, event: RunEvent): Consequences {
  if (event.seq !== run.seq + 1) throw new Error(`run ${run.runId}: event ${event.seq} after ${run.seq}`);
  run.seq = event.seq;
  const step = new Step(run, event.at);
  apply(step, event);
  step.settle();
  return step;
}

/** Tasks that wait for a worker, with their configs: what has to be published after a take-over. */
export function readyTasks(run: Run): Consequences["ready"] {
  return run.tasks.flatMap((task) => {
    if (task.state !== "queued") return [];
    const config = configOf(run, task);
    return "fault" in config ? [] : [{ task, config: config.value }];
  });
}

/** One event being applied. */
class Step implements Consequences {
  readonly ready: { readonly task: Task; readonly config: JsonObject }[] = [];
  readonly changed = new Set<Task>();
  readonly run: Run;
  readonly at: Date;
  /** Tasks that ended in this step and whose dependents are not settled yet. */
  readonly #ended: Task[] = [];

  constructor(run: Run, at: Date) {
    this.run = run;
    this.at = at;
  }

  /** The one door through which a task changes its state. */
  enter(task: Task, state: TaskState): void {
    if (task.state === state) return;
    const allowed: readonly TaskState[] = leadsTo[task.state];
    if (!allowed.includes(state)) {
      throw new Error(`run ${this.run.runId}: task ${task.node} can not go from ${task.state} to ${state}`);
    }
    task.state = state;
    this.changed.add(task);
    if (!isFinalTask(state)) return;
    task.endedAt = this.at;
    this.run.unfinished -= 1;
    this.#ended.push(task);
  }

  /** Opens the next attempt of a task, or fails it when a template of its config has no value. */
  makeReady(task: Task): void {
    const config = configOf(this.run, task);
    if ("fault" in config) {
      this.fail(task, { reason: "TEMPLATE_FAILED", message: config.fault });
      return;
    }
    task.attempt += 1;
    task.lease = undefined;
    task.report = 0;
    this.enter(task, "queued");
    this.changed.add(task);
    this.ready.push({ task, config: config.value });
  }

  fail(task: Task, { reason, message, exitCode }: Pick<Failure, "reason" | "message" | "exitCode">): void {
    const nodeId = this.run.plan.nodes[task.node]?.id ?? "";
    task.failure = { reason, message, nodeId, ...(exitCode !== undefined && { exitCode }) };
    this.enter(task, "failed");
  }

  /** Carries the ends of tasks on to what depends on them, and to the run. */
  settle(): void {
    // Grows while it is walked: a dependent may end at once, too.
    for (const ended of this.#ended) {
      for (const index of this.run.plan.nodes[ended.node]?.dependents ?? []) {
        const dependent = this.run.tasks[index];
        if (dependent?.state === "pending") this.#settleDependent(dependent, ended);
      }
    }
    if (this.run.unfinished === 0 && this.run.endedAt === undefined) this.#end();
  }

  #settleDependent(dependent: Task, ended: Task): void {
    if (ended.state === "completed") {
      dependent.waitsFor -= 1;
      if (dependent.waitsFor === 0) this.makeReady(dependent);
      return;
    }
    if (ended.state === "cancelled") {
      this.enter(dependent, "cancelled");
      return;
    }
    dependent.failure = skippedFor(this.run, ended);
    this.enter(dependent, "skipped");
  }

  #end(): void {
    const { run } = this;
    run.endedAt = this.at;
    if (run.tasks.some((task) => task.state === "cancelled")) {
      run.state = "cancelled";
      return;
    }
    run.failure ??= run.tasks.find((task) => task.state === "failed")?.failure;
    run.state = run.failure === undefined ? "completed" : "failed";
  }
}

function apply(step: Step, event: RunEvent): void {
  const { run } = step;
  switch (event.type) {
    case "run_started":
      throw new Error(`run ${run.runId} was started twice`);
    case "cancel_requested":
      run.isCancelRequested = true;
      for (const task of run.tasks) {
        if (task.state === "pending" || (task.state === "queued" && task.lease === undefined)) {
          step.enter(task, "cancelled");
        }
      }
      return;
    case "run_refused":
      run.failure = { reason: "REFUSED_BY_STORE", message: event.message, nodeId: "" };
      for (const task of run.tasks) {
        if (isFinalTask(task.state)) continue;
        closePrompts(task);
        step.fail(task, run.failure);
      }
      return;
    default:
      applyToAttempt(step, event);
  }
}

function applyToAttempt(step: Step, event: Extract<RunEvent, AttemptFact<string, unknown>>): void {
  const { run } = step;
  const task = run.tasks[run.plan.indexOf.get(event.nodeId) ?? -1];
  if (task === undefined || task.attempt !== event.attempt || isFinalTask(task.state)) {
    throw new Error(`run ${run.runId}: ${event.type} about attempt ${event.attempt} of ${event.nodeId}`);
  }
  if ("report" in event && event.report !== undefined) task.report = event.report;
  switch (event.type) {
    case "task_leased":
      take(step, task, event.lease);
      step.enter(task, event.lease.sealKey === undefined ? "running" : "starting");
      return;
    case "task_started":
      step.enter(task, "running");
      return;
    case "prompt_opened": {
      const { promptId, attempt, text, password, at } = event;
      task.prompts.push({ ...closedPrompt, promptId, attempt, text, password, openedAt: at, state: "open" });
      step.changed.add(task);
      step.enter(task, "waiting_for_input");
      return;
    }
    case "prompt_answered": {
      const prompt = task.prompts.find(({ promptId }) => promptId === event.promptId);
      if (prompt === undefined) throw new Error(`run ${run.runId} has no prompt ${event.promptId}`);
      prompt.state = "answered";
      prompt.answeredBy = event.answeredBy;
      prompt.requestId = event.requestId;
      prompt.answer = event.answer;
      step.changed.add(task);
      if (!task.prompts.some(({ state }) => state === "open")) step.enter(task, "running");
      return;
    }
    case "task_ended":
      if (task.lease === undefined) take(step, task, event.lease);
      task.lastSeqs.set(event.attempt, event.lastSeq);
      task.files = event.files;
      closePrompts(task);
      if (event.outcome.kind === "completed") {
        task.output = event.outcome.output;
        step.enter(task, "completed");
      } else if (event.outcome.kind === "failed") {
        step.fail(task, event.outcome);
      } else {
        step.enter(task, "cancelled");
      }
      return;
    case "lease_lapsed":
      closePrompts(task);
      task.lostCount += 1;
      if (run.isCancelRequested) {
        step.enter(task, "cancelled");
      } else if (task.lostCount > maxLostAttempts) {
        step.fail(task, { reason: "WORKER_LOST", message: `the worker was lost ${task.lostCount} times` });
      } else {
        step.makeReady(task);
      }
      return;
  }
}

function take(step: Step, task: Task, lease: Lease): void {
  task.lease = lease;
  task.startedAt = step.at;
  step.changed.add(task);
}

function closePrompts(task: Task): void {
  for (const prompt of task.prompts) if (prompt.state === "open") prompt.state = "attempt_ended";
}

const closedPrompt: Pick<Prompt, "answeredBy" | "requestId" | "answer"> = {
  answeredBy: undefined,
  requestId: undefined,
  answer: undefined,
};

function skippedFor(run: Run, ended: Task): Failure {
  const cause = ended.failure?.nodeId ?? run.plan.nodes[ended.node]?.id ?? "";
  return { reason: "DEPENDENCY_FAILED", message: `${cause} did not complete`, nodeId: cause };
}

function newTask(node: number, waitsFor: number): Task {
  return {
    node,
    state: "pending",
    attempt: 0,
    waitsFor,
    lease: undefined,
    report: 0,
    lostCount: 0,
    output: undefined,
    failure: undefined,
    prompts: [],
    files: [],
    lastSeqs: new Map(),
    startedAt: undefined,
    endedAt: undefined,
  };
}
