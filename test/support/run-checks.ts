/*
 * What has to hold after every event of a run, whatever it is.
 *
 *   C1. A task changes along `leadsTo`, its attempts count up by one, and whoever
 *       follows changes is told of each.
 *   C2. A task that has ended never changes.
 *   C3. Each attempt is readied once; only a resumption hands out again what was
 *       queued, and nothing is handed out while the run is held or paused.
 *   C4. No more items are begun than may be at once.
 *   C5. `unfinished` counts the tasks that have not ended; the run ends with them.
 *   C6. A task with an open question waits for its answer.
 */
import { strict as assert } from "node:assert";
import type { RunEvent } from "../../services/scheduler/core/event.ts";
import type { Run, Task } from "../../services/scheduler/core/run.ts";
import type { Consequences } from "../../services/scheduler/core/step.ts";
import {
  isFinalRun,
  isFinalTask,
  leadsTo,
  type TaskState,
} from "../../services/scheduler/core/task-state.ts";

/** The tasks of a run as they were, and as others saw them. */
export type TasksBefore = ReadonlyMap<Task, Task & { readonly shown: string }>;

/** Keeps how the tasks of a run are, for the next check. */
export function tasksOf(run: Run): TasksBefore {
  return new Map(run.tasks.map((task) => [task, { ...task, shown: seen(task) }]));
}

/** Checks one run, event by event. */
export class RunChecks {
  readonly #readied = new Set<string>();
  readonly #finals = new Map<string, string>();

  /** Throws when something does not hold after an event. */
  after(
    run: Run,
    {
      event,
      step,
      before,
    }: { readonly event: RunEvent; readonly step: Consequences; readonly before: TasksBefore },
  ): void {
    for (const task of run.tasks) {
      const former = before.get(task);
      if (former !== undefined) checkChange(event, { former, task, step });
      if (task.openPrompts > 0) assert.equal(task.state, "waiting_for_input");
      this.#checkFinal(event, task);
      checkParallel(run, task);
    }
    for (const { task } of step.ready) {
      assert.equal(run.state, "running", "nothing begins in a run that is held or paused");
      this.#checkReady(event, task, before.get(task));
    }
    assert.equal(run.unfinished, run.tasks.filter(({ state }) => !isFinalTask(state)).length);
    assert.equal(isFinalRun(run.state), run.unfinished === 0);
  }

  #checkFinal({ type }: RunEvent, task: Task): void {
    const final = this.#finals.get(task.name);
    if (final !== undefined) assert.equal(seen(task), final, `${type} changed ${task.name} after its end`);
    else if (isFinalTask(task.state)) this.#finals.set(task.name, seen(task));
  }

  #checkReady({ type }: RunEvent, task: Task, former: Task | undefined): void {
    assert.equal(task.state, "queued");
    const key = `${task.name}#${task.attempt}`;
    const isAgain = type === "resume_requested" && former?.state === "queued";
    assert.equal(this.#readied.has(key), isAgain, `${key} is readied`);
    this.#readied.add(key);
  }
}

function checkParallel({ plan }: Run, { items, node }: Task): void {
  const bound = plan.nodes[node]?.forEach?.maxParallel ?? 0;
  const underway = items?.tasks.slice(0, items.next).filter(({ state }) => !isFinalTask(state)) ?? [];
  assert(underway.length <= bound, "more items are begun than may be at once");
  const begun = items?.tasks.filter(({ attempt, state }) => attempt > 0 && !isFinalTask(state)) ?? [];
  assert(begun.length <= bound, "more items are carried out than may be at once");
}

function checkChange(
  { type }: RunEvent,
  { former, task, step }: { former: Task & { readonly shown: string }; task: Task; step: Consequences },
): void {
  const allowed: readonly TaskState[] = [former.state, ...leadsTo[former.state]];
  assert(allowed.includes(task.state), `${type} leads ${task.name} from ${former.state} to ${task.state}`);
  assert(task.attempt - former.attempt <= 1, `${type} skips an attempt of ${task.name}`);
  assert(task.attempt >= former.attempt, `${type} takes an attempt of ${task.name} back`);
  // Whoever follows changes is told of all of them.
  const isTold = former.shown === seen(task) || step.changed.has(task);
  assert(isTold, `${type} changed ${task.name} and does not say so`);
}

/** What the core alone keeps of a task. */
const inner: ReadonlySet<string> = new Set(["waitsFor", "passed", "report", "tasks"]);

/** A task as others see it. */
function seen(task: Task): string {
  return JSON.stringify(task, (key, value: unknown) => {
    if (inner.has(key)) return undefined;
    return value instanceof Map ? [...value] : value;
  });
}
