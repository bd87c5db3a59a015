import { derivedInPartition } from "../../../lib/ids/derived-in-partition.ts";
import { partitionOf } from "../../../lib/ids/partition.ts";
import {
  answersOf,
  approvalOf,
  type ConfigFault,
  childStartOf,
  type EngineHandler,
  signalOf,
  sleepOf,
  wakesAt,
} from "./engine-handler.ts";
import type { JsonObject } from "./json.ts";
import type { Run, Task } from "./run.ts";
import { awaitSignal } from "./signals.ts";
import type { Step } from "./step.ts";

/** How deep runs may start runs: the first has depth 0. */
export const maxDepth = 8;

/** Begins the attempt of a task that needs no worker. */
export function openEngineTask(
  step: Step,
  {
    task,
    engine,
    config,
  }: { readonly task: Task; readonly engine: EngineHandler; readonly config: JsonObject },
): void {
  task.startedAt = step.at;
  switch (engine) {
    case "sleep":
      return sleep(step, task, config);
    case "approval":
      return ask(step, task, config);
    case "wait_for_signal":
      return waitForSignal(step, task, config);
    case "workflow":
      return startChild(step, task, config);
  }
}

/** The id of the run that an attempt of a `workflow` node starts: in the partition of the run itself, and always the same. */
export function childRunIdOf(run: Run, { name, attempt }: Pick<Task, "name" | "attempt">): string {
  return derivedInPartition(partitionOf(run.runId), "child", run.runId, name, String(attempt));
}

function sleep(step: Step, task: Task, config: JsonObject): void {
  const read = sleepOf(config);
  if ("fault" in read) return refuse(step, task, read.fault);
  step.enter(task, "running");
  task.timer = { kind: "sleep", at: wakesAt(read.value, step.at) };
}

function ask(step: Step, task: Task, config: JsonObject): void {
  const read = approvalOf(config);
  if ("fault" in read) return refuse(step, task, read.fault);
  const prompt = {
    promptId: `approval-${task.attempt}`,
    attempt: task.attempt,
    text: read.value.prompt,
    password: false,
    choices: answersOf(read.value),
    openedAt: step.at,
    closesAt: undefined,
    state: "open" as const,
    answeredBy: undefined,
    requestId: undefined,
    answer: undefined,
  };
  task.prompts.push(prompt);
  task.openPrompts += 1;
  // The owner writes the transcript: the question here, the answer as entry 2.
  task.lastSeqs.set(task.attempt, 1);
  step.asked.push({ task, prompt });
  step.enter(task, "waiting_for_input");
  step.limitAttempt(task);
}

function waitForSignal(step: Step, task: Task, config: JsonObject): void {
  const read = signalOf(config);
  if ("fault" in read) return refuse(step, task, read.fault);
  step.enter(task, "running");
  step.limitAttempt(task);
  awaitSignal(step, task, read.value);
}

function startChild(step: Step, task: Task, config: JsonObject): void {
  const read = childStartOf(config);
  if ("fault" in read) return refuse(step, task, read.fault);
  const depth = (step.run.parent?.depth ?? 0) + 1;
  if (depth > maxDepth) {
    const message = `runs start runs more than ${maxDepth} deep`;
    step.failAttempt(task, { reason: "DEPTH_LIMIT", message, nonRetryable: true });
    return;
  }
  task.childRunId = childRunIdOf(step.run, task);
  step.enter(task, "running");
  step.limitAttempt(task);
}

function refuse(step: Step, task: Task, { at, message }: ConfigFault): void {
  step.fail(task, { reason: "CONFIG_INVALID", message: `config${at} ${message}` });
}
