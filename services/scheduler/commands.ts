/*
 * Carries commands out on the runs owned here. Each is answered after its commit,
 * and a repeat with the same request id is recognised by what history holds,
 * whoever owned the run before.
 */
import { toBinary } from "@bufbuild/protobuf";
import type { ExecuteRequest } from "../../gen/antiphon/internal/v1/owner_service_pb.ts";
import {
  type SignalRunRequest,
  SignalRunRequestSchema,
} from "../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { AnswerCommands, type AnswerCommandsOptions } from "./answer-commands.ts";
import type { Committed } from "./commit-batch.ts";
import { sha256 } from "./content-digest.ts";
import { decideCancel, decidePause, decideResume, decideSignal } from "./core/decide-command.ts";
import type { Fact } from "./core/event.ts";
import type { Run } from "./core/run.ts";
import { mayUse, runNotFound } from "./run-access.ts";
import { sentJson } from "./sent-json.ts";
import { StartCommands, type StartCommandsOptions } from "./start-commands.ts";

export class Commands {
  readonly #owner: StartCommandsOptions["owner"];
  readonly #starts: StartCommands;
  readonly #answers: AnswerCommands;

  constructor(options: StartCommandsOptions & AnswerCommandsOptions) {
    this.#owner = options.owner;
    this.#starts = new StartCommands(options);
    this.#answers = new AnswerCommands(options);
  }

  /** Throws what the command is refused with, and `OWNER_UNAVAILABLE` when its run is not owned here. */
  async execute(request: ExecuteRequest): Promise<void> {
    switch (request.command.case) {
      case "submitTask":
        return await this.#starts.submit(request, request.command.value);
      case "startRun":
        return await this.#starts.start(request, request.command.value);
      case "rerunRun":
        return await this.#starts.rerun(request, request.command.value);
      case "cancelRun":
        return await this.#ask(request, decideCancel);
      case "pauseRun":
        return await this.#ask(request, decidePause);
      case "resumeRun":
        return await this.#ask(request, decideResume);
      case "signalRun":
        return await this.#signal(request, request.command.value);
      case "answerPrompt":
        return await this.#answers.answer(request.runId, request.command.value);
      default:
        throw new Error(`a command of the unknown kind ${request.command.case}`);
    }
  }

  /** Whether a sealed answer to a question is on its way to its worker. */
  isAnswerUnderway(question: Parameters<AnswerCommands["isUnderway"]>[0]): boolean {
    return this.#answers.isUnderway(question);
  }

  /** To be told of every commit. */
  onCommitted(committed: readonly Committed[]): void {
    this.#answers.onCommitted(committed);
  }

  /** Carries out what is asked of a run as a whole. */
  async #ask(
    { runId, clientId, admin, requestId }: ExecuteRequest,
    decide: (run: Run, asking: { clientId: string; requestId: string }) => readonly Fact[],
  ): Promise<void> {
    await this.#owner.execute(runId, (run) => {
      if (!mayUse(run, { clientId, admin })) throw runNotFound(runId);
      return { facts: decide(run, { clientId, requestId }), result: undefined };
    });
  }

  async #signal(command: ExecuteRequest, request: SignalRunRequest): Promise<void> {
    const { name, payload } = request;
    const requestDigest = sha256(toBinary(SignalRunRequestSchema, { ...request, requestId: "" }));
    await this.#ask(command, (run, asking) => {
      return decideSignal(run, { ...asking, name, payload: sentJson(payload, null), requestDigest });
    });
  }
}
