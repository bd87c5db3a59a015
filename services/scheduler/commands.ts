/*
 * Carries commands out on the runs owned here.
 *
 *   K1. A command is answered after its commit.
 *   K2. A repeat with the same request id is recognised by what history holds,
 *       whoever owned the run before.
 *   K3. A sealed answer is kept by nobody: it goes to the worker, and the prompt
 *       closes with the worker's receipt, or stays open when none comes.
 */
import { createHash } from "node:crypto";
import { toBinary } from "@bufbuild/protobuf";
import type { ExecuteRequest } from "../../gen/antiphon/internal/v1/owner_service_pb.ts";
import type { AnswerPromptRequest } from "../../gen/antiphon/internal/v1/task_state_service_pb.ts";
import {
  type StartRunRequest,
  StartRunRequestSchema,
  type SubmitTaskRequest,
  SubmitTaskRequestSchema,
} from "../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { DomainError } from "../../lib/errors/domain-error.ts";
import { parseTaskId, taskIdOf } from "../../lib/ids/task-id.ts";
import type { Committed } from "./commit-batch.ts";
import { type Order, orderOf } from "./control.ts";
import { decideAnswer, decideCancel, decideStart } from "./core/decide-command.ts";
import { type Json, parseJson } from "./core/json.ts";
import type { Plan } from "./core/plan.ts";
import type { Run } from "./core/run.ts";
import type { Owner } from "./owner.ts";
import { definitionOfProgram } from "./program-definition.ts";

/** How long a worker has to confirm a sealed answer. */
const receiptMs = 5_000;

export interface CommandsOptions {
  readonly owner: Pick<Owner, "execute">;
  /** The plan of a stored workflow. */
  readonly planOf: (workflowId: string) => Promise<Plan>;
  /** Sends orders to workers. */
  readonly order: (orders: readonly Order[]) => void;
}

export class Commands {
  readonly #options: CommandsOptions;
  /** Sealed answers on their way, by task and prompt; resolved when the prompt is answered. */
  readonly #underway = new Map<string, { readonly receipt: Promise<void>; readonly arrived: () => void }>();

  constructor(options: CommandsOptions) {
    this.#options = options;
  }

  /** Throws what the command is refused with, and `OWNER_UNAVAILABLE` when its run is not owned here. */
  async execute(request: ExecuteRequest): Promise<void> {
    switch (request.command.case) {
      case "submitTask":
        return await this.#submit(request, request.command.value);
      case "startRun":
        return await this.#start(request, request.command.value);
      case "cancelRun":
        return await this.#cancel(request);
      case "answerPrompt":
        return await this.#answer(request, request.command.value);
      default:
        throw new Error(`a command of the unknown kind ${request.command.case}`);
    }
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

  async #submit(
    { runId, clientId, requestId, isFresh }: ExecuteRequest,
    request: SubmitTaskRequest,
  ): Promise<void> {
    const { program } = request;
    if (program === undefined) throw new Error("a submission without a program passed the edge");
    const definition = definitionOfProgram(program);
    const input = jsonOf(request.input, null);
    const requestDigest = digestOf(toBinary(SubmitTaskRequestSchema, { ...request, requestId: "" }));
    await this.#options.owner.execute(
      runId,
      (run) => ({
        facts: decideStart(run, {
          type: "run_started",
          clientId,
          requestId,
          requestDigest,
          definition,
          input,
        }),
        result: undefined,
        program: program.content,
      }),
      { isNew: isFresh },
    );
  }

  async #start(
    { runId, clientId, requestId, isFresh }: ExecuteRequest,
    request: StartRunRequest,
  ): Promise<void> {
    const { workflowId } = request;
    const plan = await this.#options.planOf(workflowId);
    const { definition } = plan;
    const input = jsonOf(request.input, {});
    const requestDigest = digestOf(toBinary(StartRunRequestSchema, { ...request, requestId: "" }));
    await this.#options.owner.execute(
      runId,
      (run) => {
        const start = {
          type: "run_started",
          clientId,
          requestId,
          requestDigest,
          workflowId,
          definition,
          input,
        } as const;
        return { facts: decideStart(run, start), result: undefined, plan };
      },
      { isNew: isFresh },
    );
  }

  async #cancel({ runId, clientId, admin, requestId }: ExecuteRequest): Promise<void> {
    await this.#options.owner.execute(runId, (run) => {
      if (!mayUse(run, { clientId, admin })) {
        throw new DomainError("RUN_NOT_FOUND", `there is no run ${runId}`, { run_id: runId });
      }
      return { facts: decideCancel(run, { clientId, requestId }), result: undefined };
    });
  }

  async #answer({ runId }: ExecuteRequest, request: AnswerPromptRequest): Promise<void> {
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

/** Whether a caller sees a run: it is its own, or the caller is an admin. */
export function mayUse(
  run: Run | undefined,
  caller: { readonly clientId: string; readonly admin: boolean },
): run is Run {
  return run !== undefined && (caller.admin || run.clientId === caller.clientId);
}

function jsonOf(bytes: Uint8Array, fallback: Json): Json {
  if (bytes.length === 0) return fallback;
  const parsed = parseJson(bytes);
  if ("fault" in parsed) throw new Error("an input that is not JSON passed the edge");
  return parsed.value;
}

function digestOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
