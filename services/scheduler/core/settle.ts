/*
 * What follows when a node ends, for the nodes that depend on it and for the run.
 */
import type { Failure } from "./event.ts";
import type { Run, Task } from "./run.ts";
import type { Step } from "./step.ts";

/** Why a node is skipped without anything having failed; what depends on it alone is skipped, too. */
const mildReasons: ReadonlySet<string> = new Set(["CONDITION_FALSE", "DEPENDENCIES_SKIPPED", "NOT_NEEDED"]);

/** Whether a task was skipped without anything having failed. */
export function isMildlySkipped({ state, failure }: Task): boolean {
  return state === "skipped" && mildReasons.has(failure?.reason ?? "");
}

/** Settles what depends on a node that ended: it goes on, waits for others, or is skipped or cancelled with it. */
export function settleDependents(step: Step, ended: Task): void {
  for (const index of step.nodeOf(ended).dependents) {
    const dependent = step.run.tasks[index];
    if (dependent?.state === "pending") settleDependent(step, dependent, ended);
  }
}

function settleDependent(step: Step, dependent: Task, ended: Task): void {
  if (ended.state === "cancelled") {
    step.enter(dependent, "cancelled");
    return;
  }
  const isBorne = ended.state === "failed" && step.nodeOf(ended).onFailure === "continue";
  const passes = ended.state === "completed" || isBorne;
  if (!passes && !isMildlySkipped(ended)) {
    const cause = ended.failure?.nodeId ?? ended.name;
    const message = `${cause} did not complete`;
    step.skip(dependent, { reason: "DEPENDENCY_FAILED", message, nodeId: cause });
    return;
  }
  dependent.waitsFor -= 1;
  if (passes) dependent.passed += 1;
  if (dependent.waitsFor > 0) return;
  if (dependent.passed > 0) {
    step.open(dependent);
    return;
  }
  const message = "everything that it depends on was skipped";
  step.skip(dependent, { reason: "DEPENDENCIES_SKIPPED", message, nodeId: dependent.name });
}

/** Begins or skips the node for the failure of the run when everything else has ended; says whether it did. */
export function settleFailureNode(step: Step): boolean {
  const { run } = step;
  const task = run.plan.onFailure === undefined ? undefined : run.tasks[run.plan.onFailure];
  if (task === undefined || run.unfinished !== 1 || task.state !== "pending" || task.attempt > 0)
    return false;
  if (task.isHeld) return false;
  run.failure ??= failureOfTasks(run);
  if (run.failure === undefined || run.tasks.some(({ state }) => state === "cancelled")) {
    step.skip(task, { reason: "NOT_NEEDED", message: "the run did not fail", nodeId: task.name });
  } else {
    step.open(task);
  }
  return true;
}

/** The failure that counts for the run: that of the first failed node, in the order of the definition. */
function failureOfTasks(run: Run): Failure | undefined {
  const { plan, tasks } = run;
  const counts = plan.nodes.find(({ index, onFailure }) => {
    return onFailure === "fail_run" && index !== plan.onFailure && tasks[index]?.state === "failed";
  });
  return counts && tasks[counts.index]?.failure;
}

/** Ends a run of which no task is left. */
export function endRun(step: Step): void {
  const { run } = step;
  run.endedAt = step.at;
  if (run.tasks.some((task) => task.state === "cancelled")) {
    run.state = "cancelled";
    return;
  }
  run.failure ??= failureOfTasks(run);
  run.state = run.failure === undefined ? "completed" : "failed";
}
