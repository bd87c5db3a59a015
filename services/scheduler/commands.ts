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
import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { ExecuteRequest } from "../../gen/antiphon/internal/v1/owner_service_pb.ts";
import type { AnswerPromptRequest } from "../../gen/antiphon/internal/v1/task_state_service_pb.ts";
import {
  type RerunRunRequest,
  RerunRunRequestSchema,
  type SignalRunRequest,
  SignalRunRequestSchema,
  type StartRunRequest,
  StartRunRequestSchema,
  type SubmitTaskRequest,
  SubmitTaskRequestSchema,
} from "../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { DomainError } from "../../lib/errors/domain-error.ts";
import { isRunId, parseTaskId, taskIdOf } from "../../lib/ids/task-id.ts";
import type { Committed } from "./commit-batch.ts";
import { type Order, orderOf } from "./control.ts";
import {
  decideAnswer,
  decideCancel,
  decidePause,
  decideResume,
  decideSignal,
  decideStart,
  requestIdReused,
} from "./core/decide-command.ts";
import { keptOf } from "./core/decide-rerun.ts";
import type { Fact, KeptOutput } from "./core/event.ts";
import { type Json, parseJson } from "./core/json.ts";
import type { Plan } from "./core/plan.ts";
import type { Run } from "./core/run.ts";
import { isFinalRun } from "./core/task-state.ts";
import type { Owner } from "./owner.ts";
import { definitionOfProgram } from "./program-definition.ts";

/** How long a worker has to confirm a sealed answer. */
const receiptMs = 5_000;

export interface CommandsOptions {
  readonly owner: Pick<Owner, "execute">;
  /** The plan of a stored workflow. */
  readonly planOf: (workflowId: string) => Promise<Plan>;
  /** Folds one run from history; undefined when there is none. */
  readonly load: (runId: string) => Promise<Run | undefined>;
  /** The file of a stand-alone task. */
  readonly programOf: (runId: string) => Promise<Uint8Array | undefined>;
  /** Keeps the files of nodes that a repetition keeps as files of the new run. */
  readonly keepFiles: (repetition: {
    readonly former: Run;
    readonly runId: string;
    readonly kept: readonly KeptOutput[];
  }) => Promise<void>;
  /** Sends orders to workers. */
  readonly order: (orders: readonly Order[]) => void;
}

type StartFact = Extract<Fact, { type: "run_started" }>;

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
      case "rerunRun":
        return await this.#rerun(request, request.command.value);
      case "cancelRun":
        return await this.#ask(request, decideCancel);
      case "pauseRun":
        return await this.#ask(request, decidePause);
      case "resumeRun":
        return await this.#ask(request, decideResume);
      case "signalRun":
        return await this.#signal(request, request.command.value);
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

  async #submit(command: ExecuteRequest, request: SubmitTaskRequest): Promise<void> {
    const { program } = request;
    if (program === undefined) throw new Error("a submission without a program passed the edge");
    await this.#begin(command, {
      fact: {
        ...startOf(command),
        requestDigest: digestOf(toBinary(SubmitTaskRequestSchema, { ...request, requestId: "" })),
        definition: definitionOfProgram(program),
        input: jsonOf(request.input, null),
      },
      program: program.content,
    });
  }

  async #start(command: ExecuteRequest, request: StartRunRequest): Promise<void> {
    const { workflowId, workflowVersion } = command;
    const requestDigest = digestOf(toBinary(StartRunRequestSchema, { ...request, requestId: "" }));
    if (workflowId === "") {
      if (await this.#isRepeat(command, requestDigest)) return;
      throw workflowNotFound(request);
    }
    const plan = await this.#options.planOf(workflowId);
    const { hold, priority, labels } = request;
    await this.#begin(command, {
      fact: {
        ...startOf(command),
        requestDigest,
        workflowId,
        workflowVersion,
        definition: plan.definition,
        input: jsonOf(request.input, {}),
        ...(hold && { hold }),
        ...(priority !== 0 && { priority }),
        ...(Object.keys(labels).length > 0 && { labels }),
      },
      plan,
    });
  }

  async #rerun(command: ExecuteRequest, request: RerunRunRequest): Promise<void> {
    const { load, programOf } = this.#options;
    const requestDigest = digestOf(toBinary(RerunRunRequestSchema, { ...request, requestId: "" }));
    // Before anything is kept for it: the run that it repeats may be gone by now.
    if (await this.#isRepeat(command, requestDigest)) return;
    const former = isRunId(request.runId) ? await load(request.runId) : undefined;
    if (!mayUse(former, command)) throw runNotFound(request.runId);
    const { workflowId, workflowVersion, priority, labels, plan, input } = former;
    if (request.fromFailed && !isFinalRun(former.state)) throw notEnded(request.runId);
    const kept = request.fromFailed ? keptOf(former) : [];
    await this.#options.keepFiles({ former, runId: command.runId, kept });
    const program = workflowId === undefined ? await programOf(request.runId) : undefined;
    await this.#begin(command, {
      fact: {
        ...startOf(command),
        requestDigest,
        ...(workflowId !== undefined && { workflowId }),
        ...(workflowVersion !== undefined && { workflowVersion }),
        definition: plan.definition,
        input,
        ...(request.hold && { hold: true }),
        ...(priority !== 0 && { priority }),
        ...(Object.keys(labels).length > 0 && { labels }),
        rerunOf: request.runId,
        ...(request.fromFailed && { kept }),
      },
      plan,
      ...(program && { program }),
    });
  }

  /** Whether a request began its run before. Throws `REQUEST_ID_REUSED` when another one did. */
  async #isRepeat({ runId, requestId, isFresh }: ExecuteRequest, requestDigest: string): Promise<boolean> {
    if (isFresh) return false;
    return await this.#options.owner.execute(runId, (run) => {
      if (run !== undefined && run.requestDigest !== requestDigest) throw requestIdReused(requestId);
      return { facts: [], result: run !== undefined };
    });
  }

  async #begin(
    { runId, isFresh }: ExecuteRequest,
    { fact, plan, program }: { fact: StartFact; plan?: Plan; program?: Uint8Array },
  ): Promise<void> {
    await this.#options.owner.execute(
      runId,
      (run) => ({
        facts: decideStart(run, fact),
        result: undefined,
        ...(plan && { plan }),
        ...(program && { program }),
      }),
      { isNew: isFresh },
    );
  }

  /** Carries out what is asked of a run as a whole. */
  async #ask(
    { runId, clientId, admin, requestId }: ExecuteRequest,
    decide: (run: Run, asking: { clientId: string; requestId: string }) => readonly Fact[],
  ): Promise<void> {
    await this.#options.owner.execute(runId, (run) => {
      if (!mayUse(run, { clientId, admin })) throw runNotFound(runId);
      return { facts: decide(run, { clientId, requestId }), result: undefined };
    });
  }

  async #signal(command: ExecuteRequest, request: SignalRunRequest): Promise<void> {
    const { name, payload } = request;
    const requestDigest = digestOf(toBinary(SignalRunRequestSchema, { ...request, requestId: "" }));
    await this.#ask(command, (run, asking) => {
      return decideSignal(run, { ...asking, name, payload: jsonOf(payload, null), requestDigest });
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

/** What every start has in common. */
function startOf({ clientId, requestId, scheduleId, scheduledAt }: ExecuteRequest) {
  return {
    type: "run_started",
    clientId,
    requestId,
    ...(scheduleId !== "" && { scheduleId }),
    ...(scheduledAt && { scheduledAt: timestampDate(scheduledAt).toISOString() }),
  } as const;
}

function runNotFound(runId: string): DomainError {
  return new DomainError("RUN_NOT_FOUND", "there is no such run", { run_id: runId.slice(0, 100) });
}

function notEnded(runId: string): DomainError {
  return new DomainError("NOT_ENDED", `run ${runId} has not ended`, { run_id: runId });
}

function workflowNotFound({ workflowId, workflowName }: StartRunRequest): DomainError {
  const metadata = { workflow_id: (workflowId || workflowName).slice(0, 200) };
  return new DomainError("WORKFLOW_NOT_FOUND", "there is no such workflow", metadata);
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
