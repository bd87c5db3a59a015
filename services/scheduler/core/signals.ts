import type { Signal, Task } from "./run.ts";
import type { Step } from "./step.ts";

/** Gives a task the oldest signal that it waits for, if there is one. */
export function takeSignal(step: Step, task: Task): void {
  const { signals } = step.run;
  const index = signals.findIndex(({ name }) => name === task.awaitedSignal);
  const [signal] = index < 0 ? [] : signals.splice(index, 1);
  if (signal !== undefined) step.complete(task, outputOf(signal));
}

/** Gives a signal that arrived to the first task that waits for it, or keeps it. */
export function deliverSignal(step: Step, signal: Signal): void {
  const task = step.run.tasks.find(({ awaitedSignal }) => awaitedSignal === signal.name);
  if (task === undefined) step.run.signals.push(signal);
  else step.complete(task, outputOf(signal));
}

function outputOf({ payload, clientId, at }: Signal) {
  return { payload, sent_by: clientId, sent_at: at.toISOString() };
}
