/*
 * One event being applied to a run: how tasks begin, change and end. What follows
 * when one ends stands in settle.ts, and for lists in items.ts.
 *
 *   E2. A task changes only along `leadsTo`; `enter` is the one door.
 *   E3. Each attempt begins exactly once: when the last dependency is settled,
 *       when the delay of a retry is over, anew after a lost lease, or when a held
 *       run goes on.
 *   E4. A final task never changes; a run is final when all its tasks are.
 *   E5. When a task ends, everything that depends on it is settled in the same
 *       step: begun, failed for a template without a value, or skipped.
 *   E6. The node for the failure of the run begins when everything else has ended
 *       and the run is about to fail; else it is skipped.
 */
import { evaluate } from "./condition.ts";
import { stepBudget } from "./condition-evaluation.ts";
import type { FailedAttempt, Failure } from "./event.ts";
import { openItems, settleItem } from "./items.ts";
import type { Json, JsonObject } from "./json.ts";
import { configOf, scopeOf } from "./node-config.ts";
import { openEngineTask } from "./open-engine-task.ts";
import type { PlannedNode } from "./plan.ts";
import { retryDelayMs } from "./retry.ts";
import { isHolding, maxEvents, maxOutputLength, type Prompt, type Run, type Task } from "./run.ts";
import { endRun, settleDependents, settleFailureNode } from "./settle.ts";
import { isFinalTask, leadsTo, type TaskState } from "./task-state.ts";

/** What an event brought about, for those who act on it and watch it. */
export interface Consequences {
  /** Tasks to be handed to a worker, with their configs resolved. */
  readonly ready: { readonly task: Task; readonly config: JsonObject }[];
  /** Every task that changed, each once. */
  readonly changed: Set<Task>;
  /** Questions that no worker asks. */
  readonly asked: { readonly task: Task; readonly prompt: Prompt }[];
}

export class Step implements Consequences {
  readonly ready: Consequences["ready"] = [];
  readonly changed = new Set<Task>();
  readonly asked: Consequences["asked"] = [];
  readonly run: Run;
  readonly at: Date;
  /** Tasks that ended in this step and whose dependents are not settled yet. */
  readonly #ended: Task[] = [];
  readonly #conditions = stepBudget();

  constructor(run: Run, at: Date) {
    this.run = run;
    this.at = at;
  }

  /** The one door through which a task changes its state. */
  enter(task: Task, state: TaskState): void {
    if (task.state === state) return;
    const allowed: readonly TaskState[] = leadsTo[task.state];
    if (!allowed.includes(state)) {
      throw new Error(`run ${this.run.runId}: task ${task.name} can not go from ${task.state} to ${state}`);
    }
    task.state = state;
    this.changed.add(task);
    if (!isFinalTask(state)) return;
    this.#close(task);
    task.isHeld = false;
    task.endedAt = this.at;
    this.run.unfinished -= 1;
    this.#ended.push(task);
  }

  /** Lets a task begin, or begin its next attempt, unless its run is held or paused. */
  open(task: Task): void {
    if (isHolding(this.run)) {
      task.isHeld = true;
      this.enter(task, "pending");
      this.changed.add(task);
      return;
    }
    task.isHeld = false;
    const node = this.nodeOf(task);
    if (task.attempt === 0 && !this.#isWanted(task, node)) return;
    if (node.forEach !== undefined && task.item === undefined) {
      openItems(this, task, node.forEach);
      return;
    }
    const config = configOf(this.run, task);
    if ("fault" in config) {
      this.fail(task, { reason: "TEMPLATE_FAILED", message: config.fault });
      return;
    }
    this.beginAttempt(task);
    if (node.engine !== undefined) {
      openEngineTask(this, { task, engine: node.engine, config: config.value });
      return;
    }
    this.enter(task, "queued");
    this.limitQueueing(task);
    this.ready.push({ task, config: config.value });
  }

  /** Starts to count the time that a task may wait for a worker. */
  limitQueueing(task: Task): void {
    task.queuedAt = this.at;
    this.changed.add(task);
    this.#setTimer(task, "queue_timeout", this.nodeOf(task).queueTimeoutMs);
  }

  /** Lets a task wait for no clock any more. */
  stopTimer(task: Task): void {
    if (task.timer !== undefined) this.changed.add(task);
    task.timer = undefined;
  }

  /** Begins the next attempt of a task whose worker was lost. */
  reopen(task: Task): void {
    this.#close(task);
    this.open(task);
  }

  /** Starts to count the time that the latest attempt may take. */
  limitAttempt(task: Task): void {
    this.#setTimer(task, "timeout", this.nodeOf(task).timeoutMs);
  }

  /** Completes a task, unless its run has more outputs than it may keep. */
  complete(task: Task, output: Json): void {
    const length = JSON.stringify(output).length;
    if (this.run.outputLength + length > maxOutputLength) {
      const message = `the outputs of the run would take more than ${maxOutputLength} characters`;
      this.fail(task, { reason: "OUTPUT_LIMIT", message });
      return;
    }
    this.run.outputLength += length;
    task.output = output;
    this.enter(task, "completed");
  }

  /** Ends an attempt that failed: another one is to follow, or the task fails. */
  failAttempt(task: Task, failure: FailedAttempt): void {
    this.#close(task);
    task.failedCount += 1;
    task.lastFailure = failure;
    const isLast = this.run.isCancelRequested || this.run.seq >= maxEvents;
    const delayMs = isLast
      ? undefined
      : retryDelayMs(this.nodeOf(task).retry, {
          failure,
          failures: task.failedCount,
          seed: `${this.run.runId} ${task.name}`,
        });
    if (delayMs === undefined) {
      this.fail(task, failure);
      return;
    }
    this.enter(task, "pending");
    if (delayMs === 0) this.open(task);
    else task.timer = { kind: "retry", at: new Date(this.at.getTime() + delayMs) };
  }

  /** Fails a task for good. */
  fail(task: Task, { reason, message, exitCode }: Pick<Failure, "reason" | "message" | "exitCode">): void {
    task.failure = { reason, message, nodeId: task.name, ...(exitCode !== undefined && { exitCode }) };
    this.enter(task, "failed");
  }

  skip(task: Task, failure: Failure): void {
    task.failure = failure;
    this.enter(task, "skipped");
  }

  /** Ends a task whose run is cancelled, unless a worker or another run has to end it first. */
  cancel(task: Task): void {
    if (isFinalTask(task.state) || task.items !== undefined) return;
    if (task.childRunId !== undefined && task.state === "running") return;
    if (task.lease !== undefined && task.state !== "pending") return;
    this.enter(task, "cancelled");
  }

  /** Carries the ends of tasks on to what depends on them, and to the run. */
  settle(): void {
    for (;;) {
      // Grows while it is walked: a dependent may end at once, too.
      for (const ended of this.#ended) {
        if (ended.item === undefined) settleDependents(this, ended);
        else settleItem(this, ended);
      }
      this.#ended.length = 0;
      if (!settleFailureNode(this)) break;
    }
    if (this.run.unfinished === 0 && this.run.endedAt === undefined) endRun(this);
  }

  nodeOf(task: Task): PlannedNode {
    const node = this.run.plan.nodes[task.node];
    if (node === undefined) throw new Error(`run ${this.run.runId} has no node ${task.node}`);
    return node;
  }

  /** Counts the next attempt, and forgets what belongs to the one before. */
  beginAttempt(task: Task): void {
    task.attempt += 1;
    task.lease = undefined;
    task.report = 0;
    task.isRevoked = false;
    task.timer = undefined;
    task.startedAt = undefined;
  }

  /** Nothing of an attempt that is over waits for anything any more. */
  #close(task: Task): void {
    task.timer = undefined;
    if (task.awaitedSignal !== undefined) {
      this.run.awaiting.get(task.awaitedSignal)?.delete(task);
      task.awaitedSignal = undefined;
    }
    if (task.openPrompts === 0) return;
    task.openPrompts = 0;
    for (const prompt of task.prompts) if (prompt.state === "open") prompt.state = "attempt_ended";
  }

  #setTimer(task: Task, kind: "timeout" | "queue_timeout", ms: number | undefined): void {
    this.stopTimer(task);
    if (ms === undefined) return;
    task.timer = { kind, at: new Date(this.at.getTime() + ms) };
    this.changed.add(task);
  }

  /** Asks the condition of a node; skips or fails the task when it does not hold. */
  #isWanted(task: Task, { when, isAskedPerItem, forEach }: PlannedNode): boolean {
    if (when === undefined || (forEach !== undefined && isAskedPerItem !== (task.item !== undefined)))
      return true;
    const held = evaluate(when, scopeOf(this.run, task), this.#conditions);
    if ("fault" in held) {
      this.fail(task, { reason: "CONDITION_FAILED", message: held.fault });
      return false;
    }
    if (held.value) return true;
    this.skip(task, { reason: "CONDITION_FALSE", message: `not ${when.text}`, nodeId: task.name });
    return false;
  }
}
