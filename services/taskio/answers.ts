/*
 * Carries answers to the scheduler.
 *
 *   P1. Whether a prompt is open, and who was first, is the scheduler's to say.
 *   P2. The answer to a secret question is sealed before anything else is done
 *       with it, and nothing but the sealed form leaves this file.
 */
import { randomUUID } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import {
  type AnswerPromptRequest,
  AnswerPromptRequestSchema,
  type PromptState,
  type TaskIOState,
} from "../../gen/antiphon/internal/v1/task_state_service_pb.ts";
import { DomainError, type Reason } from "../../lib/errors/domain-error.ts";
import { seal } from "../../lib/seal/seal.ts";
import { type Asker, taskOf } from "./access.ts";
import type { TaskStates } from "./task-states.ts";

/** An answer as it came. */
export interface GivenAnswer {
  readonly taskId: string;
  readonly promptId: string;
  readonly text: string;
  /** Empty when the caller gave none. */
  readonly requestId: string;
}

/** What answering needs. */
export interface AnswersNeeds {
  readonly states: Pick<TaskStates, "ask">;
  /** Hands an answer to the scheduler; resolves when it is committed. */
  readonly answerPrompt: (request: AnswerPromptRequest) => Promise<unknown>;
  /** The reason of a refusal that `answerPrompt` rejected with. */
  readonly reasonOf: (error: unknown) => Reason | undefined;
}

/** Refusals that a key which is not the worker's any more may be the cause of. */
const causedByOldKey: ReadonlySet<Reason | undefined> = new Set(["ANSWER_UNDELIVERED", "PROMPT_CLOSED"]);

/**
 * Answers a prompt; resolves when the answer is committed.
 *
 * Throws TASK_NOT_FOUND, PROMPT_NOT_FOUND, ANSWER_UNDELIVERED when a secret
 * answer can not be sealed to anybody, and what the scheduler refuses with. When
 * the key was replaced while a sealed answer was on its way, it is sealed and
 * sent once more.
 */
export async function answer(asker: Asker, given: GivenAnswer, needs: AnswersNeeds): Promise<void> {
  const named = { ...given, requestId: given.requestId || randomUUID() };
  const state = await taskOf(asker, { taskId: given.taskId, states: needs.states });
  try {
    await needs.answerPrompt(answerRequest(asker, named, state));
  } catch (error) {
    if (!causedByOldKey.has(needs.reasonOf(error))) throw error;
    const newer = await taskOf(asker, { taskId: given.taskId, states: needs.states });
    if (Buffer.compare(newer.sealKey, state.sealKey) === 0 || !isOpenSecret(newer, given.promptId))
      throw error;
    await needs.answerPrompt(answerRequest(asker, named, newer));
  }
}

function answerRequest(asker: Asker, given: GivenAnswer, state: TaskIOState): AnswerPromptRequest {
  const { taskId, promptId, requestId } = given;
  return create(AnswerPromptRequestSchema, {
    taskId,
    promptId,
    requestId,
    clientId: asker.clientId,
    admin: asker.isAdmin,
    answer: protectedAnswer(given, state),
  });
}

function protectedAnswer(
  { taskId, promptId, text }: GivenAnswer,
  state: TaskIOState,
): AnswerPromptRequest["answer"] {
  const asked = promptOf(state, promptId);
  if (asked?.prompt === undefined) {
    const message = `the task ${taskId} never asked ${promptId}`;
    throw new DomainError("PROMPT_NOT_FOUND", message, { task_id: taskId, prompt_id: promptId });
  }
  if (!asked.prompt.password) return { case: "text", value: text };
  if (state.sealKey.length > 0) {
    const { attempt } = asked.prompt;
    return { case: "sealed", value: seal(text, { publicKey: state.sealKey, taskId, attempt, promptId }) };
  }
  // Nobody can be told; but a repeat of an answer that was accepted is known by its request_id alone.
  if (asked.closed) return { case: "sealed", value: new Uint8Array() };
  const message = `no worker can be given the answer to ${promptId}`;
  throw new DomainError("ANSWER_UNDELIVERED", message, { task_id: taskId, prompt_id: promptId });
}

function isOpenSecret(state: TaskIOState, promptId: string): boolean {
  const asked = promptOf(state, promptId);
  return asked?.prompt?.password === true && !asked.closed;
}

function promptOf({ prompts }: TaskIOState, promptId: string): PromptState | undefined {
  return prompts.find(({ prompt }) => prompt?.promptId === promptId);
}
