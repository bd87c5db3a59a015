/*
 * What is committed, as the checks know it: kept from the commits themselves and
 * apart from every process, so it is right whatever the processes believe.
 */
import { partitionOf } from "../../../lib/ids/partition.ts";
import { taskIdOf } from "../../../lib/ids/task-id.ts";
import type { Lease, Outcome, RunEvent } from "../../../services/scheduler/core/event.ts";
import { begin, evolve } from "../../../services/scheduler/core/evolve.ts";
import { planOf } from "../../../services/scheduler/core/plan.ts";
import { type Prompt, type Run, type Task, taskOf } from "../../../services/scheduler/core/run.ts";
import type { Consequences } from "../../../services/scheduler/core/step.ts";
import { isFinalTask } from "../../../services/scheduler/core/task-state.ts";
import { decodeEvent, type EventRow } from "../../../services/scheduler/event-codec.ts";
import type { Batch } from "../../../services/scheduler/history-store.ts";
import type { Tables } from "../postgres/tables.ts";
import type { World } from "../world/world.ts";
import type { Violations } from "./violations.ts";

/** A prompt as history has it. */
export interface LedgerPrompt {
  readonly promptId: string;
  readonly runId: string;
  readonly taskId: string;
  readonly attempt: number;
  readonly text: string;
  readonly password: boolean;
  /** Whether no worker asks it, but the owner. */
  readonly isApproval: boolean;
  answer: { readonly text: string | undefined; readonly requestId: string; readonly by: string } | undefined;
}

/** An attempt as history has it. */
export interface LedgerAttempt {
  readonly taskId: string;
  readonly attempt: number;
  lease: Lease | undefined;
  report: number;
  /** When the last report was committed. */
  reportedAtMs: number;
  /** The last fact, when it is a lease that a report took, whose own fact follows with the same number. */
  isLeasedByReport: boolean;
  ended: Outcome | undefined;
  lastSeq: number | undefined;
  lapsedAtMs: number | undefined;
  /** Whether something else than a report or a lapse closed it: a time that was over, a run beneath it that ended. */
  isClosed: boolean;
}

/** Who is asked, at a lapse, whether it was too early. */
export type OnLapse = (attempt: LedgerAttempt, lease: Lease) => void;

export class Ledger {
  /** By task and prompt. */
  readonly prompts = new Map<string, LedgerPrompt>();
  readonly #signals = new Set<string>();
  #committedAtMs = 0;
  readonly #attempts = new Map<string, LedgerAttempt>();
  readonly #runs = new Map<string, Run>();
  readonly #commits = new Map<string, { readonly seq: number; readonly atMs: number }[]>();
  readonly #completed = new Set<string>();
  readonly #tables: Tables;
  readonly #world: World;
  readonly #violations: Violations;
  readonly #onLapse: OnLapse;

  constructor({
    tables,
    world,
    violations,
    onLapse,
  }: {
    readonly tables: Tables;
    readonly world: World;
    readonly violations: Violations;
    readonly onLapse: OnLapse;
  }) {
    this.#tables = tables;
    this.#world = world;
    this.#violations = violations;
    this.#onLapse = onLapse;
  }

  /** All runs that have begun, as the folds of their histories. */
  get runs(): ReadonlyMap<string, Run> {
    return this.#runs;
  }

  /** Whether a request sent a signal to a run. */
  isSignalled(runId: string, requestId: string): boolean {
    return this.#signals.has(`${runId} ${requestId}`);
  }

  /** When the last fact was committed. */
  get committedAtMs(): number {
    return this.#committedAtMs;
  }

  task(runId: string, nodeId: string): Task | undefined {
    return taskOf(this.#runs.get(runId), nodeId);
  }

  attempt(taskId: string, attempt: number): LedgerAttempt | undefined {
    return this.#attempts.get(`${taskId}#${attempt}`);
  }

  /** The number of the last fact of a run that was committed by a moment. */
  seqAt(runId: string, ms: number): number {
    return this.#commits.get(runId)?.findLast(({ atMs }) => atMs <= ms)?.seq ?? 0;
  }

  prompt(taskId: string, promptId: string): LedgerPrompt | undefined {
    return this.prompts.get(`${taskId} ${promptId}`);
  }

  /** The prompt with this text; every text is asked once. */
  promptOf(text: string): LedgerPrompt | undefined {
    return [...this.prompts.values()].find((prompt) => prompt.text === text);
  }

  /** Whether an attempt is over or another's for whoever holds it by this token. */
  isOver(of: {
    readonly runId: string;
    readonly nodeId: string;
    readonly taskId: string;
    readonly attempt: number;
    readonly token: string;
  }): boolean {
    const task = this.task(of.runId, of.nodeId);
    if (task === undefined || task.attempt !== of.attempt || isFinalTask(task.state)) return true;
    const known = this.attempt(of.taskId, of.attempt);
    if (known === undefined) return false;
    const isAnothers = known.lease !== undefined && known.lease.token !== of.token;
    return isAnothers || known.ended !== undefined || known.lapsedAtMs !== undefined || known.isClosed;
  }

  /** Takes a commit in, and checks it. */
  committed(batch: Batch): void {
    for (const row of batch.events) {
      const partition = partitionOf(row.run_id);
      const owner = this.#tables.partitions.get(partition)?.owner;
      if (owner !== batch.incarnation) {
        const message = `partition ${partition} belongs to ${owner ?? "nobody"}, and ${batch.incarnation} commits ${describe(row)}`;
        this.#violations.report("two owners", message);
      }
      this.#apply(row);
    }
  }

  #apply(row: EventRow): void {
    const event = decodeEvent(row, (workflowId) => {
      const stored = this.#tables.workflows.get(workflowId);
      if (stored === undefined) throw new Error(`workflow ${workflowId} is not stored`);
      return stored.definition;
    });
    this.#world.tell(() => `history      ${describe(row)}`);
    const run = this.#runs.get(row.run_id);
    if (row.seq !== (run?.seq ?? 0) + 1) {
      this.#violations.report("gap in history", `${describe(row)} follows ${run?.seq ?? 0}`);
      return;
    }
    const commits = this.#commits.get(row.run_id) ?? [];
    this.#commits.set(row.run_id, commits);
    commits.push({ seq: row.seq, atMs: this.#world.nowMs });
    this.#committedAtMs = this.#world.nowMs;
    if (event.type === "signal_received") this.#signals.add(`${row.run_id} ${event.requestId}`);
    if ("nodeId" in event) this.#noteAttempt(row.run_id, event);
    try {
      let step: Consequences | undefined;
      if (run !== undefined) {
        if (event.type === "timer_fired") this.#checkTimer(run, event);
        if (event.type === "prompt_answered" && event.isTimedOut) this.#checkPatience(run, event);
        step = evolve(run, event);
      } else if (event.type === "run_started") {
        const begun = begin(row.run_id, event, planOf(event.definition));
        this.#runs.set(row.run_id, begun.run);
        step = begun;
      }
      for (const { task, prompt } of step?.asked ?? []) this.#noteApproval(row.run_id, task, prompt);
    } catch (error) {
      this.#violations.report("illegal transition", `${describe(row)}: ${String(error)}`);
    }
  }

  /** A timer fires once its time has come, for what waits for it. */
  #checkTimer(run: Run, { nodeId, timer, at }: Extract<RunEvent, { type: "timer_fired" }>): void {
    const set = taskOf(run, nodeId)?.timer;
    if (set?.kind === timer && set.at <= at) return;
    const message = `${timer} of ${nodeId} in run ${run.runId} fires at ${at.toISOString()}; it is set to ${set?.kind} at ${set?.at.toISOString()}`;
    this.#violations.report("timer wrong", message);
  }

  /** A question is answered with nothing once its time is over. */
  #checkPatience(run: Run, { nodeId, promptId, at }: Extract<RunEvent, { type: "prompt_answered" }>): void {
    const asked = taskOf(run, nodeId)?.prompts.find((prompt) => prompt.promptId === promptId);
    if (asked?.closesAt !== undefined && asked.closesAt <= at) return;
    const message = `prompt ${promptId} in run ${run.runId} times out at ${at.toISOString()}; it closes at ${asked?.closesAt?.toISOString()}`;
    this.#violations.report("timer wrong", message);
  }

  #noteApproval(runId: string, task: Task, { promptId, attempt, text, password }: Prompt): void {
    const taskId = taskIdOf(runId, task.name);
    const about = { promptId, runId, taskId, attempt, text, password };
    this.prompts.set(`${taskId} ${promptId}`, { ...about, isApproval: true, answer: undefined });
  }

  #noteAttempt(runId: string, event: Extract<RunEvent, { nodeId: string }>): void {
    const taskId = taskIdOf(runId, event.nodeId);
    const attempt = this.#attemptOf(taskId, event.attempt);
    const at = `${event.type} of ${taskId}#${event.attempt}`;
    if ("report" in event && event.report !== undefined && event.report > 0) {
      const follows = event.report === attempt.report + 1;
      if (!follows && !(attempt.isLeasedByReport && event.report === attempt.report)) {
        const message = `${at} with report ${event.report} after ${attempt.report}`;
        this.#violations.report("report applied twice", message);
      }
      attempt.report = event.report;
      attempt.reportedAtMs = this.#world.nowMs;
    }
    attempt.isLeasedByReport = event.type === "task_leased" && event.report > 0;
    switch (event.type) {
      case "task_leased":
        this.#leased(attempt, event.lease);
        return;
      case "prompt_opened": {
        const { promptId, text, password, attempt: number } = event;
        const about = { promptId, runId, taskId, attempt: number, text, password };
        const asked = { ...about, isApproval: false, answer: undefined };
        this.prompts.set(`${taskId} ${promptId}`, asked);
        return;
      }
      case "prompt_answered": {
        const prompt = this.prompt(taskId, event.promptId);
        // The receipt of a secret tells what its program was given, also when its time was over by then.
        const isCorrected = prompt?.answer?.by === "" && event.answer === undefined;
        if (prompt === undefined || (prompt.answer !== undefined && !isCorrected)) {
          const message = `prompt ${event.promptId} of ${taskId} was ${prompt ? "answered" : "never asked"}`;
          this.#violations.report("answered twice", message);
          return;
        }
        prompt.answer = { text: event.answer, requestId: event.requestId, by: event.answeredBy };
        return;
      }
      case "task_ended":
        this.#ended(attempt, event);
        return;
      case "lease_lapsed":
        attempt.lapsedAtMs = this.#world.nowMs;
        // A worker that is stopped gives back what it holds.
        if (attempt.lease !== undefined && event.isReleased !== true) this.#onLapse(attempt, attempt.lease);
        return;
      case "task_started":
        return;
      default:
        attempt.isClosed = true;
    }
  }

  #leased(attempt: LedgerAttempt, lease: Lease): void {
    if (attempt.lease !== undefined && attempt.lease.token !== lease.token) {
      const message = `${attempt.taskId}#${attempt.attempt} is held by ${attempt.lease.workerId}, and leased to ${lease.workerId}`;
      this.#violations.report("two leases", message);
    }
    attempt.lease = lease;
  }

  #ended(
    attempt: LedgerAttempt,
    { outcome, lease, lastSeq }: Extract<RunEvent, { type: "task_ended" }>,
  ): void {
    this.#leased(attempt, lease);
    const at = `${attempt.taskId}#${attempt.attempt}`;
    if (attempt.ended !== undefined || this.#completed.has(attempt.taskId)) {
      this.#violations.report("completed twice", `${at} ended although it had ended`);
    }
    attempt.ended = outcome;
    attempt.lastSeq = lastSeq;
    if (outcome.kind === "completed") this.#completed.add(attempt.taskId);
  }

  #attemptOf(taskId: string, number: number): LedgerAttempt {
    const key = `${taskId}#${number}`;
    const known = this.#attempts.get(key) ?? {
      taskId,
      attempt: number,
      lease: undefined,
      report: 0,
      reportedAtMs: Number.NEGATIVE_INFINITY,
      isLeasedByReport: false,
      ended: undefined,
      lastSeq: undefined,
      lapsedAtMs: undefined,
      isClosed: false,
    };
    this.#attempts.set(key, known);
    return known;
  }
}

function describe({ run_id, seq, type, node_id, attempt, payload }: EventRow): string {
  const place = node_id === null ? "" : ` ${node_id}#${attempt}`;
  const fact = Buffer.from(payload).toString("utf8");
  return `${run_id.slice(0, 8)} ${seq} ${type}${place} ${fact.length > 160 ? `${fact.slice(0, 160)}…` : fact}`;
}
