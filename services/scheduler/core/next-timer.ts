import type { Fact, TimerKind } from "./event.ts";
import { type Prompt, type Run, type Task, taskOf } from "./run.ts";

/** What a clock brings a task next: a timer of its own, or the end of the time in which a question may be answered. */
export type NextTimer =
  | { readonly kind: TimerKind; readonly at: Date }
  | { readonly kind: "prompt"; readonly at: Date; readonly promptId: string };

/** What a clock brings a task next; undefined when it waits for none. */
export function nextTimerOf(task: Task): NextTimer | undefined {
  const { timer } = task;
  const question = firstToClose(task);
  if (question === undefined || (timer !== undefined && timer.at <= question.closesAt)) return timer;
  return { kind: "prompt", at: question.closesAt, promptId: question.promptId };
}

/** Decides on the end of the time that a question waits: it is answered with nothing, unless it is closed, or not due at `now`. */
export function decidePromptTimeout(
  run: Run,
  { name, promptId }: { readonly name: string; readonly promptId: string },
  now: Date,
): readonly Fact[] {
  const task = taskOf(run, name);
  const prompt = task?.prompts.findLast((asked) => asked.promptId === promptId);
  const isDue = prompt?.state === "open" && prompt.closesAt !== undefined && prompt.closesAt <= now;
  if (task === undefined || !isDue) return [];
  const { attempt } = task;
  // Nothing of an empty answer is secret, so that a question for a secret gets it like any other.
  const nobody = { answeredBy: "", requestId: "", answer: "", isTimedOut: true } as const;
  return [{ type: "prompt_answered", nodeId: name, attempt, promptId, ...nobody }];
}

/** The open question of a task whose time is over first. From the end, where those stand that are open. */
function firstToClose({ prompts, openPrompts }: Task): (Prompt & { readonly closesAt: Date }) | undefined {
  let first: (Prompt & { readonly closesAt: Date }) | undefined;
  for (let index = prompts.length - 1, left = openPrompts; left > 0 && index >= 0; index -= 1) {
    const prompt = prompts[index];
    if (prompt?.state !== "open") continue;
    left -= 1;
    if (hasDeadline(prompt) && (first === undefined || prompt.closesAt < first.closesAt)) first = prompt;
  }
  return first;
}

function hasDeadline(prompt: Prompt): prompt is Prompt & { readonly closesAt: Date } {
  return prompt.closesAt !== undefined;
}
