/*
 * Carries answers to prompts.
 *
 * A sealed answer is kept by nobody: it goes to the worker, and the prompt closes
 * with the worker's receipt, or stays open when none comes.
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

export class AnswerCommands {
  readonly #options: AnswerCommandsOptions;
  /** Sealed answers on their way, by task and prompt; resolved when the prompt is answered. */
  readonly #underway = new Map<string, { readonly receipt: Promise<void>; readonly arrived: () => void }>();

  constructor(options: AnswerCommandsOptions) {
    this.#options = options;
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
    const { taskId, promptId, clientId, admin, requestId } = request;
    const nodeId = parseTaskId(taskId)?.nodeId ?? "";
    const text = request.answer.case === "text" ? request.answer.value : undefined;
    const key = `${taskId} ${promptId}`;
    for (;;) {
      const sealedFor = await this.#options.owner.execute(runId, (run, claim) => {
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
      if (sealedFor === undefined) return;
      const underway = this.#underway.get(key);
      if (underway !== undefined) {
        // Another answer is on its way; it wins, or this one is decided on again.
        await underway.receipt.catch(() => undefined);
        continue;
      }
      const sealed = request.answer.case === "sealed" ? request.answer.value : new Uint8Array();
      const given = { case: "sealed", value: sealed } as const;
      const control = orderOf(sealedFor.about, {
        case: "answered",
        value: { promptId, answeredBy: clientId, requestId, answer: given },
      });
      const receipt = this.#awaitReceipt(key, { taskId, promptId });
      this.#options.order([{ workerId: sealedFor.workerId, control }]);
      await receipt;
    }
  }

  /** Resolves when the prompt is answered, rejects with `ANSWER_UNDELIVERED` when it is not in time. */
  async #awaitReceipt(
    key: string,
    { taskId, promptId }: { taskId: string; promptId: string },
  ): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const late = setTimeout(() => {
      const message = `no worker confirmed the answer to prompt ${promptId}`;
      reject(new DomainError("ANSWER_UNDELIVERED", message, { task_id: taskId, prompt_id: promptId }));
    }, receiptMs);
    this.#underway.set(key, { receipt: promise, arrived: resolve });
    try {
      await promise;
    } finally {
      clearTimeout(late);
      this.#underway.delete(key);
    }
  }
}
