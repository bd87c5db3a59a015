import type { Signal, Task } from "./run.ts";
import type { Step } from "./step.ts";

/** Lets a task wait for a signal, or gives it the oldest of that name that nobody took. */
export function awaitSignal(step: Step, task: Task, name: string): void {
  const { signals, awaiting } = step.run;
  const index = signals.findIndex((signal) => signal.name === name);
  const [signal] = index < 0 ? [] : signals.splice(index, 1);
  if (signal !== undefined) {
    step.complete(task, outputOf(signal));
    return;
  }
  task.awaitedSignal = name;
  const waiting = awaiting.get(name);
  if (waiting === undefined) awaiting.set(name, new Set([task]));
  else waiting.add(task);
}

/** Gives a signal that arrived to the task that has waited longest for it, or keeps it. */
export function deliverSignal(step: Step, signal: Signal): void {
  const { signals, awaiting } = step.run;
  const [task] = awaiting.get(signal.name) ?? [];
  if (task === undefined) signals.push(signal);
  else step.complete(task, outputOf(signal));
}

function outputOf({ payload, clientId, at }: Signal) {
  return { payload, sent_by: clientId, sent_at: at.toISOString() };
}
