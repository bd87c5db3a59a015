/*
 * Carries answers to prompts.
 *
 * A sealed answer is kept by nobody: it goes to the worker, and the prompt closes
 * with the worker's receipt, or stays open when none comes. One is on its way at a
 * time, from before it is decided on: its prompt's time does not end meanwhile.
 */
import type { AnswerPromptRequest } from "../../gen/antiphon/internal/v1/task_state_service_pb.ts";
import { DomainError } from "../../lib/errors/domain-error.ts";
import { parseTaskId, taskIdOf } from "../../lib/ids/task-id.ts";
import type { Committed } from "./commit-batch.ts";
import { type Order, orderOf } from "./control.ts";
import { decideAnswer } from "./core/decide-command.ts";
import type { Owner } from "./owner.ts";
import { mayUse } from "./run-access.ts";

/** How long a worker has to confirm a sealed answer. */
const receiptMs = 5_000;

export interface AnswerCommandsOptions {
  readonly owner: Pick<Owner, "execute">;
  /** Sends orders to workers. */
  readonly order: (orders: readonly Order[]) => void;
}

interface Underway {
  /** Resolves when nothing more comes of it. */
  readonly done: Promise<void>;
  /** To be called when the prompt is answered. */
  readonly arrived: () => void;
}

export class AnswerCommands {
  readonly #options: AnswerCommandsOptions;
  /** Sealed answers that are decided on or on their way, by task and prompt. */
  readonly #underway = new Map<string, Underway>();

  constructor(options: AnswerCommandsOptions) {
    this.#options = options;
  }

  /** Whether a sealed answer to a question is being decided on, or on its way to the worker. */
  isUnderway({ taskId, promptId }: Pick<AnswerPromptRequest, "taskId" | "promptId">): boolean {
    return this.#underway.has(`${taskId} ${promptId}`);
  }

  /** To be told of every commit. */
  onCommitted(committed: readonly Committed[]): void {
    if (this.#underway.size === 0) return;
    for (const { run, events } of committed) {
      for (const event of events) {
        if (run === undefined || event.type !== "prompt_answered") continue;
        this.#underway.get(`${taskIdOf(run.runId, event.nodeId)} ${event.promptId}`)?.arrived();
      }
    }
  }

  async answer(runId: string, request: AnswerPromptRequest): Promise<void> {
    if (request.answer.case !== "sealed") {
      await this.#decide(runId, request);
      return;
    }
    const { taskId, promptId } = request;
    const key = `${taskId} ${promptId}`;
    for (let other = this.#underway.get(key); other !== undefined; other = this.#underway.get(key)) {
      // It wins, or this one is decided on as if there had been no other.
      await other.done;
    }
    const arrived = Promise.withResolvers<void>();
    const done = Promise.withResolvers<void>();
    this.#underway.set(key, { done: done.promise, arrived: arrived.resolve });
    try {
      const to = await this.#decide(runId, request);
      if (to === undefined) return;
      const { answer, clientId: answeredBy, requestId } = request;
      const value = { promptId, answeredBy, requestId, answer };
      const control = orderOf(to.about, { case: "answered", value });
      this.#options.order([{ workerId: to.workerId, control }]);
      await receipt(arrived.promise, { taskId, promptId });
    } finally {
      this.#underway.delete(key);
      done.resolve();
    }
  }

  /** Decides on an answer; answers to whom it has to be delivered, when it is sealed and did not take effect before. */
  async #decide(
    runId: string,
    request: AnswerPromptRequest,
  ): Promise<{ readonly about: Parameters<typeof orderOf>[0]; readonly workerId: string } | undefined> {
    const { taskId, promptId, clientId, admin, requestId } = request;
    const nodeId = parseTaskId(taskId)?.nodeId ?? "";
    const text = request.answer.case === "text" ? request.answer.value : undefined;
    return await this.#options.owner.execute(runId, (run, claim) => {
      if (!mayUse(run, { clientId, admin })) {
        throw new DomainError("TASK_NOT_FOUND", `there is no task ${taskId}`, { task_id: taskId });
      }
      const decision = decideAnswer(run, { nodeId, promptId, clientId, requestId, text });
      if (decision.kind === "answered") return { facts: decision.facts, result: undefined };
      if (decision.kind === "repeated") return { facts: [], result: undefined };
      const { attempt, lease } = decision.task;
      const about = { runId, nodeId, attempt, epoch: claim.epoch };
      return { facts: [], result: { about, workerId: lease?.workerId ?? "" } };
    });
  }
}

/** Resolves when the receipt arrives; rejects with `ANSWER_UNDELIVERED` when it does not in time. */
async function receipt(
  arrived: Promise<void>,
  { taskId, promptId }: Pick<AnswerPromptRequest, "taskId" | "promptId">,
): Promise<void> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    const message = `no worker confirmed the answer to prompt ${promptId}`;
    late.reject(new DomainError("ANSWER_UNDELIVERED", message, { task_id: taskId, prompt_id: promptId }));
  }, receiptMs);
  try {
    await Promise.race([arrived, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
