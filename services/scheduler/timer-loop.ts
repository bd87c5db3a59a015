/*
 * Fires the timers of the tasks owned here.
 *
 *   T1. Timers stand in the records, which any owner folds anew; nothing is lost
 *       with a process. `Timers` follows them after each commit and take-over.
 *   T2. What is due is decided on by the record, by the time of the database, and
 *       committed: a timer that was stopped meanwhile changes nothing, and one
 *       that two replicas fire is fired by the owner alone.
 *   T3. A timer that could not be fired is fired again; one of a partition that
 *       was lost is fired by its next owner.
 *   T4. A question is not answered for want of time while a sealed answer to it
 *       is on its way to the worker, who would be told two.
 */
import { Bell } from "../../lib/async/bell.ts";
import { delay } from "../../lib/async/delay.ts";
import { DomainError } from "../../lib/errors/domain-error.ts";
import { taskIdOf } from "../../lib/ids/task-id.ts";
import type { Logger } from "../../lib/log/log.ts";
import type { Committed } from "./commit-batch.ts";
import { decideTimer } from "./core/decide-command.ts";
import type { Fact } from "./core/event.ts";
import { decidePromptTimeout, nextTimerOf } from "./core/next-timer.ts";
import type { Run } from "./core/run.ts";
import type { Owner } from "./owner.ts";
import { type SetTimer, TimerQueue } from "./timer-queue.ts";

/** The longest wait at once, for the database's clock may be set. */
const maxWaitMs = 10_000;

/** How long after a timer that could not be fired it is fired again. */
const againMs = 1_000;

export interface TimersOptions {
  readonly owner: Pick<Owner, "execute">;
  /** The database's time. */
  readonly clock: () => Date;
  /** Whether a sealed answer to a question is on its way to its worker. */
  readonly isAnswerUnderway: (question: { readonly taskId: string; readonly promptId: string }) => boolean;
  readonly log: Logger;
}

export class Timers {
  readonly #options: TimersOptions;
  readonly #queue = new TimerQueue();
  readonly #news = new Bell();

  constructor(options: TimersOptions) {
    this.#options = options;
  }

  /** To be told of every commit. */
  onCommitted(committed: readonly Committed[]): void {
    const before = this.#queue.nextAt;
    for (const { run, changed } of committed) {
      if (run === undefined) continue;
      for (const task of changed) this.#queue.follow(run, task);
    }
    if (this.#queue.nextAt !== before) this.#news.ring();
  }

  /** Takes up the timers of a run after a take-over. */
  adopt(run: Run): void {
    for (const task of run.tasks) this.#queue.follow(run, task);
    this.#news.ring();
  }

  drop(runs: ReadonlySet<Run>): void {
    this.#queue.drop(runs);
  }

  /** Fires timers until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const again = new Set<Promise<void>>();
    while (!signal.aborted) {
      const { nextAt } = this.#queue;
      const waitMs = nextAt === undefined ? maxWaitMs : nextAt.getTime() - this.#options.clock().getTime();
      if (waitMs > 0) await this.#news.heard(signal, Math.min(waitMs, maxWaitMs));
      if (signal.aborted) break;
      const due = this.#queue.takeDue(this.#options.clock());
      const fired = await Promise.all(due.map(async (timer) => await this.#fire(timer)));
      const failed = due.filter((_, index) => fired[index] === false);
      if (failed.length === 0) continue;
      // The others do not wait for these.
      const repeated = delay(againMs, signal).then(() => {
        for (const timer of failed) this.#queue.repeat(timer);
        this.#news.ring();
        again.delete(repeated);
      });
      again.add(repeated);
    }
    await Promise.all(again);
  }

  /** Answers whether there is nothing left to do. Never rejects. */
  async #fire({ run, task, attempt, timer }: SetTimer): Promise<boolean> {
    const { owner, clock, isAnswerUnderway, log } = this.#options;
    const { runId } = run;
    const { name } = task;
    try {
      return await owner.execute(runId, (current) => {
        const taskId = taskIdOf(runId, name);
        if (timer.kind === "prompt" && isAnswerUnderway({ taskId, promptId: timer.promptId })) {
          return { facts: [], result: false };
        }
        const facts = current === undefined ? [] : factsOf(current, { name, attempt, timer, now: clock() });
        // Set anew in the same way meanwhile, or another one of the task: `takeDue` has forgotten that, too.
        const isSetAgain = facts.length === 0 && current === run && nextTimerOf(task) !== undefined;
        return { facts, result: !isSetAgain };
      });
    } catch (error) {
      // Whoever owns the partition next folds the timer anew.
      if (error instanceof DomainError) return true;
      log.error({ err: error, runId, task: name, attempt, kind: timer.kind }, "timer not fired");
      return false;
    }
  }
}

function factsOf(
  run: Run,
  {
    name,
    attempt,
    timer,
    now,
  }: { readonly name: string; readonly now: Date } & Pick<SetTimer, "attempt" | "timer">,
): readonly Fact[] {
  return timer.kind === "prompt"
    ? decidePromptTimeout(run, { name, promptId: timer.promptId }, now)
    : decideTimer(run, { name, attempt, kind: timer.kind }, now);
}
