import { DomainError } from "../../../lib/errors/domain-error.ts";
import { taskIdOf } from "../../../lib/ids/task-id.ts";
import { taskOf } from "./decide-report.ts";
import type { Fact } from "./event.ts";
import type { Prompt, Run, Task } from "./run.ts";
import { isFinalRun, isFinalTask } from "./task-state.ts";

/** Decides on the start of a run; nothing when the same request started it before. Throws `REQUEST_ID_REUSED` when another one did. */
export function decideStart(
  run: Run | undefined,
  start: Extract<Fact, { type: "run_started" }>,
): readonly Fact[] {
  if (run === undefined) return [start];
  if (run.requestDigest !== start.requestDigest) throw requestIdReused(start.requestId);
  return [];
}

/** Decides on a cancel: nothing when the run has ended or somebody cancelled it before. */
export function decideCancel(
  run: Run,
  cancel: { readonly clientId: string; readonly requestId: string },
): readonly Fact[] {
  return isFinalRun(run.state) || run.isCancelRequested ? [] : [{ type: "cancel_requested", ...cancel }];
}

/** An answer to a prompt. `text` is undefined when the answer is sealed. */
export interface Answer {
  readonly nodeId: string;
  readonly promptId: string;
  readonly clientId: string;
  readonly requestId: string;
  readonly text: string | undefined;
}

/** What an answer leads to. */
export type AnswerDecision =
  /** Takes effect with these facts. */
  | { readonly kind: "answered"; readonly facts: readonly Fact[] }
  /** Took effect before. */
  | { readonly kind: "repeated" }
  /** Sealed: to be delivered to the worker, whose receipt closes the prompt. */
  | { readonly kind: "deliver"; readonly task: Task; readonly prompt: Prompt };

/**
 * Decides on an answer: the first one wins.
 *
 * Throws `PROMPT_NOT_FOUND`; `PROMPT_CLOSED` when somebody else answered or the
 * attempt has ended; `REQUEST_ID_REUSED` when the same request gave another
 * answer before; `FIELD_INVALID` when a secret answer is not sealed, or another
 * one is.
 */
export function decideAnswer(run: Run, answer: Answer): AnswerDecision {
  const { nodeId, promptId, clientId, requestId, text } = answer;
  const task = taskOf(run, nodeId);
  const prompt = task?.prompts.find((asked) => asked.promptId === promptId);
  const about = { task_id: taskIdOf(run.runId, nodeId), prompt_id: promptId };
  if (task === undefined || prompt === undefined) {
    throw new DomainError("PROMPT_NOT_FOUND", `the task never opened prompt ${promptId}`, about);
  }
  if (prompt.state === "answered" && prompt.requestId === requestId && prompt.answeredBy === clientId) {
    if (prompt.answer !== text) throw requestIdReused(requestId);
    return { kind: "repeated" };
  }
  if (prompt.state !== "open" || prompt.attempt !== task.attempt || isFinalTask(task.state)) {
    const how = prompt.state === "answered" ? "was answered" : "closed with its attempt";
    throw new DomainError("PROMPT_CLOSED", `prompt ${promptId} ${how}`, about);
  }
  if (prompt.password !== (text === undefined)) {
    const message = prompt.password
      ? "is a secret and must be sealed"
      : "is no secret and must not be sealed";
    throw DomainError.ofFaults([{ path: "text", reason: "FIELD_INVALID", message }]);
  }
  if (text === undefined) return { kind: "deliver", task, prompt };
  const { attempt } = task;
  return {
    kind: "answered",
    facts: [
      { type: "prompt_answered", nodeId, attempt, promptId, answeredBy: clientId, requestId, answer: text },
    ],
  };
}

function requestIdReused(requestId: string): DomainError {
  return new DomainError("REQUEST_ID_REUSED", `request id ${requestId} was used by another request`, {
    request_id: requestId,
  });
}
