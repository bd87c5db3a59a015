/*
 * Runs that `workflow` nodes start.
 *
 *   H1. A child lies in the partition of its parent, and its id is derived from
 *       the parent's task and attempt: one owner decides about both, and starting
 *       it twice is one run.
 *   H2. The child starts after the commit that began the parent's attempt; its end
 *       is carried to the parent after its own commit. Each step changes nothing
 *       when it is repeated, and a take-over repeats all of them that may be
 *       missing, so a crash between two commits loses neither.
 *   H3. A child whose parent does not wait for it is cancelled: the parent was
 *       cancelled, or its attempt is over.
 *   H4. A pause of the parent pauses the child; a child that was paused so goes
 *       on with its parent.
 *   H5. What H3 and H4 ask of a child follows from the parent as it stands, so it
 *       does not matter in which order, or how often, it is asked.
 *   H6. The runs below one root have so many tasks alive at a time at most. They
 *       lie in one partition, so their owner can count them. Few are begun at once,
 *       because each is a record in memory before it is committed.
 */
import { Backoff } from "../../lib/async/backoff.ts";
import { Semaphore } from "../../lib/async/semaphore.ts";
import { DomainError } from "../../lib/errors/domain-error.ts";
import { isRunId, taskIdOf } from "../../lib/ids/task-id.ts";
import type { Logger } from "../../lib/log/log.ts";
import type { Committed } from "./commit-batch.ts";
import {
  decideCancel,
  decideChildEnd,
  decidePause,
  decideResume,
  decideStart,
} from "./core/decide-command.ts";
import { type ChildStart, childStartOf } from "./core/engine-handler.ts";
import type { Fact, Outcome, ParentTask, RunEvent } from "./core/event.ts";
import { jsonBytes } from "./core/json.ts";
import { configOf } from "./core/node-config.ts";
import { childRunIdOf } from "./core/open-engine-task.ts";
import type { Plan } from "./core/plan.ts";
import { type Run, type Task, taskOf } from "./core/run.ts";
import { isFinalRun } from "./core/task-state.ts";
import { Families } from "./families.ts";
import type { Owner } from "./owner.ts";
import type { WorkflowStore } from "./workflow-store.ts";

/** How much all outputs of a child may take as the output of the parent's node, in bytes. */
const maxResultsBytes = 1024 * 1024;

/** How many runs are begun at once. */
const maxStarts = 8;

export interface ChildRunsOptions {
  readonly owner: Pick<Owner, "execute">;
  readonly workflows: Pick<WorkflowStore, "find">;
  readonly planOf: (workflowId: string) => Promise<Plan>;
  readonly log: Logger;
}

/** A task that waits for a run that it started, as it is when that is looked at. */
interface Waiting {
  readonly run: Run;
  readonly task: Pick<Task, "name" | "attempt">;
  readonly childRunId: string;
}

/** The attempt whose run a child is. */
type ParentAttempt = Pick<ParentTask, "runId" | "nodeId" | "attempt">;

export class ChildRuns {
  readonly #options: ChildRunsOptions;
  readonly #stop = new AbortController();
  readonly #underway = new Set<Promise<void>>();
  readonly #families = new Families();
  readonly #starts = new Semaphore(maxStarts);
  /** Records that hold what may never have been committed. */
  readonly #dropped = new WeakSet<Run>();

  constructor(options: ChildRunsOptions) {
    this.#options = options;
  }

  /** To be told of every commit. */
  onCommitted(committed: readonly Committed[]): void {
    for (const { run, events, changed } of committed) {
      if (run === undefined) continue;
      for (const task of changed) {
        const waiting = waitingOf(run, task);
        if (waiting !== undefined && events.some(begins))
          this.#keepOn(waiting, async () => await this.#start(waiting));
      }
      for (const event of events) this.#passOn(run, event);
      if (run.parent === undefined) continue;
      if (isFinalRun(run.state)) {
        this.#families.forget(rootOf(run), run.runId);
        this.#carryEnd(run);
      } else {
        this.#families.count(rootOf(run), run.runId, run.tasks.length);
      }
    }
  }

  /** Does again what may be missing after a take-over. */
  adopt(run: Run): void {
    for (const task of run.tasks) {
      const waiting = waitingOf(run, task);
      if (waiting !== undefined) this.#keepOn(waiting, async () => await this.#start(waiting));
    }
    const { parent } = run;
    if (parent === undefined) return;
    this.#families.count(rootOf(run), run.runId, run.tasks.length);
    const about = { run, task: { name: parent.nodeId, attempt: parent.attempt }, childRunId: run.runId };
    this.#keepOn(about, async () => await this.#align(run.runId, parent));
  }

  /** Lets go of records that are folded anew, here or elsewhere. */
  drop(runs: ReadonlySet<Run>): void {
    for (const run of runs) {
      this.#dropped.add(run);
      this.#families.forget(rootOf(run), run.runId);
    }
  }

  /** Ends what is under way; whoever owns the runs next does it again. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#underway);
  }

  /** Tries until it is done, is refused, or the partition is another's. */
  #keepOn({ run, childRunId }: Waiting, step: () => Promise<void>): void {
    const doing = (async () => {
      const backoff = new Backoff({ firstMs: 100, maxMs: 5_000 });
      while (!this.#stop.signal.aborted && !this.#dropped.has(run)) {
        try {
          await step();
          return;
        } catch (error) {
          if (error instanceof DomainError && error.reason === "OWNER_UNAVAILABLE") return;
          if (isRefusal(error)) {
            this.#options.log.error({ err: error, runId: run.runId, childRunId }, "child run refused");
            return;
          }
          this.#options.log.warn({ err: error, runId: run.runId, childRunId }, "child run not looked after");
          await backoff.wait(this.#stop.signal);
        }
      }
    })();
    const done = doing.finally(() => this.#underway.delete(done));
    this.#underway.add(done);
  }

  async #start({ run, task, childRunId }: Waiting): Promise<void> {
    const { owner, workflows, planOf } = this.#options;
    const current = taskOf(run, task.name);
    if (current?.attempt !== task.attempt) return;
    const config = configOf(run, current);
    const read = "fault" in config ? config : childStartOf(config.value);
    if ("fault" in read) throw new Error(`run ${run.runId}: ${task.name} began with a config that is none`);
    using _place = await this.#starts.place();
    if (this.#dropped.has(run) || this.#stop.signal.aborted) return;
    const found = await workflows.find(run.clientId, wantedOf(read.value));
    const plan = found && (await planOf(found.workflowId));
    const input = read.value.input ?? {};
    const [fault] = plan?.inputSchema?.check(input) ?? [];
    if (this.#dropped.has(run)) return;
    const rootRunId = rootOf(run);
    const parent = {
      runId: run.runId,
      nodeId: task.name,
      attempt: task.attempt,
      depth: (run.parent?.depth ?? 0) + 1,
      rootRunId,
    };
    const hasRoom = this.#families.admit(rootRunId, childRunId, plan?.nodes.length ?? 0);
    const refusal = refusalOf({ found, fault, hasRoom });
    const starting = owner.execute(childRunId, (existing) => {
      if (existing !== undefined || plan === undefined || found === undefined || refusal !== undefined) {
        return { facts: [], result: existing };
      }
      const start: Extract<Fact, { type: "run_started" }> = {
        type: "run_started",
        clientId: run.clientId,
        requestId: `child of ${taskIdOf(run.runId, task.name)} ${task.attempt}`,
        requestDigest: "",
        workflowId: found.workflowId,
        workflowVersion: found.version,
        definition: plan.definition,
        input,
        parent,
        ...(run.priority !== 0 && { priority: run.priority }),
        ...(Object.keys(run.labels).length > 0 && { labels: run.labels }),
      };
      return { facts: decideStart(existing, start), result: undefined, plan };
    });
    const child = await starting.catch(async (error: unknown) => {
      // Should it have begun after all, whoever takes the partition over counts it.
      this.#families.forget(rootRunId, childRunId);
      if (!isRefusal(error)) throw error;
      await this.#end(parent, { childRunId, outcome: refused("CHILD_FAILED", error.message) });
      return "refused" as const;
    });
    if (child === "refused") return;
    if (child !== undefined && isFinalRun(child.state)) {
      this.#families.forget(rootRunId, childRunId);
      await this.#end(parent, { childRunId, outcome: outcomeOf(child) });
    } else if (child === undefined && refusal !== undefined) {
      this.#families.forget(rootRunId, childRunId);
      await this.#end(parent, { childRunId, outcome: refusal });
    } else {
      await this.#align(childRunId, parent);
    }
  }

  /** Brings children in line with what happened to their parent. */
  #passOn(run: Run, event: RunEvent): void {
    switch (event.type) {
      case "timer_fired": {
        const { nodeId: name, attempt } = event;
        if (event.timer !== "timeout" || taskOf(run, name)?.childRunId === undefined) return;
        this.#alignLater({ run, task: { name, attempt }, childRunId: childRunIdOf(run, { name, attempt }) });
        return;
      }
      case "cancel_requested":
      case "pause_requested":
      case "resume_requested":
        for (const task of run.tasks) {
          const waiting = waitingOf(run, task);
          if (waiting !== undefined) this.#alignLater(waiting);
        }
        return;
      case "run_refused":
        // None of its tasks waits any more.
        for (const { name, attempt, childRunId } of run.tasks) {
          if (childRunId !== undefined) this.#alignLater({ run, task: { name, attempt }, childRunId });
        }
        return;
      default:
        return;
    }
  }

  #alignLater(waiting: Waiting): void {
    const { run, task, childRunId } = waiting;
    const parent = { runId: run.runId, nodeId: task.name, attempt: task.attempt };
    this.#keepOn(waiting, async () => await this.#align(childRunId, parent));
  }

  #carryEnd(child: Run): void {
    const { parent, runId } = child;
    if (parent === undefined) return;
    const outcome = outcomeOf(child);
    const about = { run: child, task: { name: parent.nodeId, attempt: parent.attempt }, childRunId: runId };
    this.#keepOn(about, async () => await this.#end(parent, { childRunId: runId, outcome }));
  }

  async #end(
    parent: ParentAttempt,
    { childRunId, outcome }: { readonly childRunId: string; readonly outcome: Outcome },
  ): Promise<void> {
    await this.#options.owner.execute(parent.runId, (run) => {
      const { nodeId: name, attempt } = parent;
      const facts = run === undefined ? [] : decideChildEnd(run, { name, attempt, childRunId, outcome });
      return { facts, result: undefined };
    });
  }

  /** Brings a child in line with its parent (H3, H4). */
  async #align(childRunId: string, parent: ParentAttempt): Promise<void> {
    const { owner } = this.#options;
    const decide = await owner.execute(parent.runId, (run) => {
      const task = taskOf(run, parent.nodeId);
      const isAwaited = task?.state === "running" && task.attempt === parent.attempt;
      if (run === undefined || !isAwaited || run.isCancelRequested)
        return { facts: [], result: decideCancel };
      return { facts: [], result: run.state === "paused" ? decidePauseWithParent : decideResumeWithParent };
    });
    const asking = { clientId: "", requestId: `parent ${parent.runId}` };
    await owner.execute(childRunId, (child) => {
      return { facts: child === undefined ? [] : decide(child, asking), result: undefined };
    });
  }
}

type Decide = typeof decideCancel;

const decidePauseWithParent: Decide = (child, asking) => decidePause(child, { ...asking, withParent: true });

const decideResumeWithParent: Decide = (child, asking) => {
  return child.isPausedWithParent ? decideResume(child, asking) : [];
};

/** Whether an event may have begun an attempt. */
function begins(event: RunEvent): boolean {
  return event.type !== "cancel_requested" && event.type !== "pause_requested";
}

function waitingOf(run: Run, task: Task): Waiting | undefined {
  const { childRunId, state, name, attempt } = task;
  return childRunId === undefined || state !== "running"
    ? undefined
    : { run, task: { name, attempt }, childRunId };
}

function wantedOf({ workflowId = "", workflowName = "" }: ChildStart) {
  if (isRunId(workflowId)) return { workflowId };
  return { name: workflowName };
}

/** The run that all runs around this one were started for: itself, when no other run started it. */
function rootOf({ runId, parent }: Run): string {
  return parent === undefined ? runId : (parent.rootRunId ?? parent.runId);
}

/** Whether trying again will not help. */
function isRefusal(error: unknown): error is DomainError {
  return error instanceof DomainError && !error.reason.endsWith("_UNAVAILABLE");
}

function refusalOf({
  found,
  fault,
  hasRoom,
}: {
  readonly found: object | undefined;
  readonly fault: { readonly at: string; readonly message: string } | undefined;
  readonly hasRoom: boolean;
}): Outcome | undefined {
  if (!hasRoom) return refused("RUN_LIMIT", "the runs that are alive below one have too many tasks");
  if (found === undefined) return refused("WORKFLOW_NOT_FOUND", "there is no such workflow");
  return fault && refused("INPUT_INVALID", `input${fault.at} ${fault.message}`);
}

function refused(reason: string, message: string): Outcome {
  return { kind: "failed", reason, message, nonRetryable: true };
}

/** How a child's end counts for the node that started it. */
function outcomeOf({ runId, state, failure, plan, tasks }: Run): Outcome {
  if (state === "cancelled") return { kind: "cancelled" };
  if (state === "failed") {
    const message = `run ${runId} failed: ${failure?.message ?? ""}`.slice(0, 4_096);
    return { kind: "failed", reason: "CHILD_FAILED", message };
  }
  const results = Object.fromEntries(
    plan.nodes.flatMap(({ id, index }) => {
      const output = tasks[index]?.output;
      return output === undefined ? [] : [[id, output] as const];
    }),
  );
  const output = { run_id: runId, results };
  const size = jsonBytes(output).length;
  if (size <= maxResultsBytes) return { kind: "completed", output };
  return refused(
    "OUTPUT_INVALID",
    `the outputs of run ${runId} have ${size} bytes, more than ${maxResultsBytes}`,
  );
}
