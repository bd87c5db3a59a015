/*
 * A run in a world that does to it whatever may be done: workers report late,
 * twice, in any order, and die; timers fire early and twice; people pause, resume,
 * cancel, signal and answer. Every step of it is checked, see run-checks.ts.
 */
import { strict as assert } from "node:assert";
import {
  decideAnswer,
  decideCancel,
  decideChildEnd,
  decidePause,
  decideResume,
  decideSignal,
  decideTimer,
} from "../../services/scheduler/core/decide-command.ts";
import {
  decideHeld,
  decideLapse,
  decideReport,
  type Report,
} from "../../services/scheduler/core/decide-report.ts";
import type { Definition } from "../../services/scheduler/core/definition.ts";
import type { Fact, Outcome, RunEvent } from "../../services/scheduler/core/event.ts";
import { begin, evolve } from "../../services/scheduler/core/evolve.ts";
import type { JsonObject } from "../../services/scheduler/core/json.ts";
import {
  decidePromptTimeout,
  type NextTimer,
  nextTimerOf,
} from "../../services/scheduler/core/next-timer.ts";
import { isUntaken, type Run, type Task } from "../../services/scheduler/core/run.ts";
import type { Consequences } from "../../services/scheduler/core/step.ts";
import { isFinalRun, isFinalTask } from "../../services/scheduler/core/task-state.ts";
import { at } from "./a-run.ts";
import { RunChecks, type TasksBefore, tasksOf } from "./run-checks.ts";

/** What may happen. */
export const moves = [
  ...(["work", "work", "work", "work", "deliver", "deliver", "deliver", "deliver", "again"] as const),
  ...([
    "lapse",
    "die",
    "timer",
    "timer",
    "early",
    "stale timer",
    "answer",
    "signal",
    "child",
    "held",
  ] as const),
  ...(["release", "pause", "resume", "cancel", "refuse"] as const),
] as const;

/** One thing that happens; `choice` says to what. */
export interface Move {
  readonly kind: (typeof moves)[number];
  readonly choice: number;
}

/** One attempt in the hands of a worker. */
interface Job {
  readonly name: string;
  readonly attempt: number;
  readonly token: string;
  readonly isProgram: boolean;
  /** The last report that it sent. */
  number: number;
  hasEnded: boolean;
}

/** A timer that came up. */
interface SetTimer {
  readonly name: string;
  readonly attempt: number;
  readonly timer: NextTimer;
}

/** How many steps an ending may take; far more than any needs. */
const maxEndingSteps = 20_000;

/** So seldom do the moves happen that end everything. */
const rarely = 8;

export class PlayedRun {
  readonly history: RunEvent[] = [];
  readonly run: Run;
  readonly #jobs: Job[] = [];
  /** Reports on their way. */
  readonly #mail: Report[] = [];
  readonly #delivered: Report[] = [];
  readonly #timers: SetTimer[] = [];
  readonly #checks = new RunChecks();
  #nowMs = at.getTime();
  #requests = 0;

  constructor(
    definition: Definition,
    { input = {}, hold = false }: { input?: JsonObject; hold?: boolean } = {},
  ) {
    const start = {
      clientId: "c",
      requestId: "r",
      requestDigest: "d",
      definition,
      input,
      ...(hold && { hold }),
    };
    const event: RunEvent = { type: "run_started", ...start, seq: 1, at };
    const { run, ...step } = begin("00000000-0000-8000-8000-000000000000", event);
    this.run = run;
    this.history.push(event);
    this.#see(event, step, new Map());
  }

  play({ kind, choice }: Move): void {
    const { run } = this;
    const asking = { clientId: "c", requestId: `q${choice}` };
    switch (kind) {
      case "work":
        return this.#work(this.#jobs[choice % this.#jobs.length], choice);
      case "deliver":
        this.#deliver(choice);
        return;
      case "again":
        this.#sendAgain(this.#delivered[choice % this.#delivered.length]);
        return;
      case "lapse":
        return this.#lapse(this.#picked(choice, ({ lease }) => lease !== undefined));
      case "die":
        this.#jobs.splice(choice % Math.max(this.#jobs.length, 1), 1);
        return;
      case "timer":
        return this.#fire(this.#picked(choice, (task) => nextTimerOf(task) !== undefined));
      case "early":
        return this.#fireEarly(this.#picked(choice, (task) => nextTimerOf(task) !== undefined));
      case "stale timer": {
        const timer = this.#timers[choice % this.#timers.length];
        return timer && this.#commit(this.#factsOf(timer, this.#nowMs));
      }
      case "answer":
        return this.#answer(
          this.#picked(choice, ({ openPrompts }) => openPrompts > 0),
          choice,
        );
      case "signal":
        return isFinalRun(run.state) ? undefined : this.#signal(`s${choice % 2}`);
      case "child":
        return this.#endChild(
          this.#picked(choice, ({ childRunId }) => childRunId !== undefined),
          outcomeOf(choice),
        );
      case "held": {
        const job = this.#jobs[choice % this.#jobs.length];
        if (job === undefined || job.isProgram) return;
        return this.#commit(decideHeld(run, { nodeId: job.name, attempt: job.attempt, lease: leaseOf(job) }));
      }
      case "release":
        return this.#report(this.#jobs[choice % this.#jobs.length], { kind: "released" });
      case "pause":
        return this.#commit(decidePause(run, asking));
      case "resume":
        return this.#commit(decideResume(run, asking));
      case "cancel":
        return choice % rarely === 0 ? this.#commit(decideCancel(run, asking)) : undefined;
      case "refuse":
        if (choice % (4 * rarely) !== 0 || isFinalRun(run.state)) return;
        return this.#commit([{ type: "run_refused", message: "refused" }]);
    }
  }

  /** Lets everything that is on its way arrive and everything that is due come, until the run ends. */
  end(): void {
    const { run } = this;
    const asking = { clientId: "c", requestId: "end" };
    for (let step = 0; !isFinalRun(run.state); step += 1) {
      const before = run.seq;
      this.#commit(decideResume(run, asking));
      while (this.#mail.length > 0) if (!this.#deliver(0)) this.#mail.shift();
      // Both grow while they are walked.
      for (const task of run.tasks) this.#bringToEnd(task);
      for (const job of this.#jobs)
        if (!job.hasEnded) this.#report(job, endedWord({ kind: "completed", output: null }));
      if (step > maxEndingSteps || (before === run.seq && this.#mail.length === 0)) {
        throw new Error(
          `the run does not end: ${JSON.stringify(run.tasks.map(({ name, state }) => [name, state]))}`,
        );
      }
    }
  }

  #bringToEnd(task: Task): void {
    if (isFinalTask(task.state)) return;
    const isWorked = this.#jobs.some(({ name, attempt, hasEnded }) => {
      return name === task.name && attempt === task.attempt && !hasEnded;
    });
    if (task.timer !== undefined && task.timer.kind !== "timeout" && task.timer.kind !== "queue_timeout")
      this.#fire(task);
    else if (task.lease !== undefined && !isWorked) this.#lapse(task);
    // The sweep publishes again what nobody has.
    else if (isUntaken(task) && !isWorked) this.#hire(task, 0);
    else if (task.openPrompts > 0) this.#answer(task, 0);
    else if (task.awaitedSignal !== undefined) this.#signal(task.awaitedSignal);
    else if (task.childRunId !== undefined) this.#endChild(task, { kind: "completed", output: {} });
  }

  #hire(task: Task, choice: number): void {
    const { name, attempt } = task;
    const token = `${name}#${attempt}/${this.#jobs.length}`;
    this.#jobs.push({ name, attempt, token, isProgram: choice % 3 === 1, number: 0, hasEnded: false });
  }

  #work(job: Job | undefined, choice: number): void {
    if (job === undefined || job.hasEnded) return;
    if (job.isProgram && job.number === 0) return this.#report(job, { kind: "lease_requested" });
    if (choice % 4 === 0) return this.#report(job, { kind: "started" });
    if (choice % 4 === 1) {
      const text = `question ${choice % 3}`;
      const promptId = `${job.token} ${job.number}`;
      return this.#report(job, { kind: "prompt_opened", promptId, text, password: false });
    }
    this.#report(job, endedWord(outcomeOf(choice)));
  }

  #report(job: Job | undefined, word: Report["word"]): void {
    if (job === undefined || job.hasEnded) return;
    job.number += 1;
    job.hasEnded = word.kind === "ended" || word.kind === "released";
    this.#mail.push({
      nodeId: job.name,
      attempt: job.attempt,
      number: job.number,
      lease: leaseOf(job),
      word,
    });
  }

  /** Delivers one of the reports on their way; says whether it is there no longer. */
  #deliver(choice: number): boolean | undefined {
    const index = choice % Math.max(this.#mail.length, 1);
    const report = this.#mail[index];
    if (report === undefined) return;
    const decided = this.#send(report);
    if (decided === "early") return false;
    this.#mail.splice(index, 1);
    // What was refused may come again, too, and be taken then: a lease that was asked for while the run was paused.
    if (decided !== "lost") this.#delivered.push(report);
    return true;
  }

  #sendAgain(report: Report | undefined): void {
    if (report === undefined) return;
    const decided = this.#send(report);
    assert(decided === "repeated" || decided === "lost", `a report that was taken is ${decided} again`);
  }

  #send(report: Report): string {
    const decision = decideReport(this.run, report);
    if (decision.kind === "applied") this.#commit(decision.facts);
    // What lost its attempt stops.
    if (decision.kind === "lost") {
      for (const job of this.#jobs) if (job.token === report.lease.token) job.hasEnded = true;
    }
    return decision.kind;
  }

  #lapse(task: Task | undefined): void {
    if (task === undefined) return;
    const { name: nodeId, attempt, lease } = task;
    this.#commit(decideLapse(this.run, { nodeId, attempt, token: lease?.token ?? "" }));
  }

  #fire(task: Task | undefined): void {
    const timer = task && nextTimerOf(task);
    if (task === undefined || timer === undefined) return;
    const { name, attempt } = task;
    const due = { name, attempt, timer };
    this.#timers.push(due);
    this.#nowMs = Math.max(this.#nowMs, timer.at.getTime());
    const facts = this.#factsOf(due, this.#nowMs);
    assert.equal(facts.length, 1, `${timer.kind} of ${name} is due and does not fire`);
    this.#commit(facts);
  }

  #fireEarly(task: Task | undefined): void {
    const timer = task && nextTimerOf(task);
    if (task === undefined || timer === undefined) return;
    const { name, attempt } = task;
    assert.deepEqual(this.#factsOf({ name, attempt, timer }, timer.at.getTime() - 1), []);
  }

  #factsOf({ name, attempt, timer }: SetTimer, nowMs: number): readonly Fact[] {
    return timer.kind === "prompt"
      ? decidePromptTimeout(this.run, { name, promptId: timer.promptId }, new Date(nowMs))
      : decideTimer(this.run, { name, attempt, kind: timer.kind }, new Date(nowMs));
  }

  #answer(task: Task | undefined, choice: number): void {
    const prompt = task?.prompts.find(({ state }) => state === "open");
    if (task === undefined || prompt === undefined) return;
    const config = this.run.plan.definition.nodes[task.node]?.config;
    const [yes, no] = Array.isArray(config?.["choices"]) ? ["a", "b"] : ["yes", "no"];
    this.#requests += 1;
    const answer = {
      nodeId: task.name,
      promptId: prompt.promptId,
      clientId: "c",
      requestId: `a${this.#requests}`,
      text: choice % 2 === 0 ? yes : no,
    };
    const decision = decideAnswer(this.run, answer);
    if (decision.kind === "answered") this.#commit(decision.facts);
    if (!isFinalTask(task.state)) assert.equal(decideAnswer(this.run, answer).kind, "repeated");
  }

  #signal(name: string): void {
    this.#requests += 1;
    const signal = { clientId: "c", requestId: `s${this.#requests}`, name, payload: { n: 2, list: [1] } };
    this.#commit(decideSignal(this.run, { ...signal, requestDigest: "d" }));
    assert.deepEqual(decideSignal(this.run, { ...signal, requestDigest: "d" }), []);
  }

  #endChild(task: Task | undefined, outcome: Outcome): void {
    if (task === undefined) return;
    const { name, attempt, childRunId = "" } = task;
    this.#commit(decideChildEnd(this.run, { name, attempt, childRunId, outcome }));
    assert.deepEqual(decideChildEnd(this.run, { name, attempt, childRunId, outcome }), []);
  }

  #picked(choice: number, isFit: (task: Task) => boolean): Task | undefined {
    const fitting = this.run.tasks.filter((task) => isFit(task) && !isFinalTask(task.state));
    return fitting[choice % fitting.length];
  }

  #commit(facts: readonly Fact[]): void {
    for (const fact of facts) {
      assert(!isFinalRun(this.run.state), `${fact.type} after the end`);
      const event: RunEvent = { ...fact, seq: this.run.seq + 1, at: new Date(this.#nowMs) };
      const before = tasksOf(this.run);
      const step = evolve(this.run, event);
      this.history.push(event);
      this.#see(event, step, before);
    }
  }

  #see(event: RunEvent, step: Consequences, before: TasksBefore): void {
    this.#checks.after(this.run, { event, step, before });
    for (const { task } of step.ready) {
      this.#hire(task, task.name.length + task.attempt + this.run.seq);
      // Now and then two workers get it.
      if (this.run.seq % 3 === 0) this.#hire(task, this.run.seq);
    }
  }
}

function leaseOf({ token, isProgram }: Job): Report["lease"] {
  return { workerId: "w", incarnation: "i", token, ...(isProgram && { sealKey: "k" }) };
}

function endedWord(outcome: Outcome): Report["word"] {
  return { kind: "ended", outcome, lastSeq: 0, files: [] };
}

function outcomeOf(choice: number): Outcome {
  const failed = { kind: "failed", reason: choice % 5 === 0 ? "FATAL" : "BROKEN", message: "m" } as const;
  if (choice % 7 === 0) return { ...failed, nonRetryable: true };
  if (choice % 7 === 1) return failed;
  if (choice % 7 === 2) return { ...failed, retryDelayMs: choice % 20 };
  if (choice % 47 === 3) return { kind: "cancelled" };
  return { kind: "completed", output: { n: choice % 4, list: [choice % 3, 1] } };
}
