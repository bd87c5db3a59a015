/*
 * Why a run does not go on: pure, of the run as it stands and of what workers
 * that are alive offer.
 */
import type { Labels } from "./core/event.ts";
import { nextTimerOf } from "./core/next-timer.ts";
import { isHolding, isUntaken, type Run, type Task } from "./core/run.ts";
import { isFinalRun, isFinalTask } from "./core/task-state.ts";

/** What a living worker takes. */
export interface WorkerOffer {
  readonly handlers: readonly string[];
  /** Queues that it serves; the default one is empty. */
  readonly queues: readonly string[];
  readonly labels: Labels;
  readonly slots: number;
  /** How many of them were taken when it was last heard of. */
  readonly held: number;
}

/** Why a task, or a whole run, does not go on. */
export interface Waiting {
  readonly reason:
    | "HELD"
    | "PAUSED"
    | "NO_WORKER"
    | "WORKER_BUSY"
    | "PROMPT"
    | "RETRY"
    | "SLEEP"
    | "SIGNAL"
    | "CHILD_RUN"
    | "ITEM_LIMIT";
  readonly message: string;
  /** Undefined when it is the whole run that waits. */
  readonly task: Task | undefined;
  readonly since: Date | undefined;
  /** When it ends by itself; undefined when it does not. */
  readonly until: Date | undefined;
}

/** How many waits of a run are told. */
const maxWaits = 20;

/** Whether a run has tasks of which only the workers tell why they wait. */
export function dependsOnWorkers(run: Run): boolean {
  return run.tasks.some(isUntaken);
}

/** What a run waits for, what waits longest first; empty when it has ended. Items that wait for others of their node are left out: those tell why. */
export function waitsOf(run: Run, offers: readonly WorkerOffer[]): Waiting[] {
  if (isFinalRun(run.state)) return [];
  if (isHolding(run)) return [heldBy(run, undefined)];
  return run.tasks
    .flatMap((task) => waitOf(run, task, offers) ?? [])
    .filter(({ reason }) => reason !== "ITEM_LIMIT")
    .sort((a, b) => timeOf(a) - timeOf(b))
    .slice(0, maxWaits);
}

/** Why a task does not go on; undefined when it does, when it waits for others that it depends on, and when it has ended. */
export function waitOf(run: Run, task: Task, offers: readonly WorkerOffer[]): Waiting | undefined {
  if (isFinalTask(task.state)) return undefined;
  if (task.isHeld && isHolding(run)) return heldBy(run, task);
  if (isUntaken(task)) return waitForWorker(run, task, offers);
  const { timer } = task;
  if (timer?.kind === "retry") {
    const message = `attempt ${task.attempt + 1} follows ${task.lastFailure?.reason ?? "a failure"}`;
    return { reason: "RETRY", message, task, since: undefined, until: timer.at };
  }
  if (timer?.kind === "sleep") {
    return { reason: "SLEEP", message: "sleeps", task, since: task.startedAt, until: timer.at };
  }
  // A time limit ends a wait, too.
  const until = nextTimerOf(task)?.at;
  const question = task.prompts.find(({ state }) => state === "open");
  if (question !== undefined) {
    const message = "a question waits for its answer";
    return { reason: "PROMPT", message, task, since: question.openedAt, until };
  }
  if (task.awaitedSignal !== undefined) {
    const message = `waits for the signal ${task.awaitedSignal}`;
    return { reason: "SIGNAL", message, task, since: task.startedAt, until };
  }
  if (task.childRunId !== undefined && task.state === "running") {
    const message = `waits for the end of run ${task.childRunId}`;
    return { reason: "CHILD_RUN", message, task, since: task.startedAt, until };
  }
  if (task.item !== undefined && task.attempt === 0 && task.state === "pending") {
    const message = "as many items of its node are being carried out as may be at once";
    return { reason: "ITEM_LIMIT", message, task, since: undefined, until: undefined };
  }
  return undefined;
}

function heldBy(run: Run, task: Task | undefined): Waiting {
  return run.state === "pending"
    ? { reason: "HELD", message: "held until it is resumed", task, since: run.createdAt, until: undefined }
    : { reason: "PAUSED", message: "paused until it is resumed", task, since: undefined, until: undefined };
}

function waitForWorker(run: Run, task: Task, offers: readonly WorkerOffer[]): Waiting {
  const { handler = "", queue = "", labels = {} } = run.plan.nodes[task.node] ?? {};
  const fitting = offers.filter(
    (offer) =>
      offer.handlers.includes(handler) &&
      offer.queues.includes(queue) &&
      Object.entries(labels).every(([key, value]) => offer.labels[key] === value),
  );
  const wanted = [
    handler,
    ...(queue === "" ? [] : [`queue ${queue}`]),
    ...Object.entries(labels).map(([key, value]) => `${key}=${value}`),
  ].join(", ");
  const place = { task, since: task.queuedAt, until: task.timer?.at };
  if (fitting.length === 0) {
    return { reason: "NO_WORKER", message: `no living worker offers ${wanted}`, ...place };
  }
  const free = fitting.reduce((sum, { slots, held }) => sum + Math.max(0, slots - held), 0);
  const message = `workers that offer ${wanted}: ${fitting.length}, with ${free} free places`;
  return { reason: "WORKER_BUSY", message, ...place };
}

/** What is not known to be long ago comes last. */
function timeOf({ since }: Waiting): number {
  return since?.getTime() ?? Number.POSITIVE_INFINITY;
}
