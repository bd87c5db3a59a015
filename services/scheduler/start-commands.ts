/*
 * Begins the runs of submissions, starts and repetitions.
 *
 * A repeat with the same request id is recognised by what history holds, whoever
 * owned the run before; it finds the run also when what it was begun of is gone.
 */
import { toBinary } from "@bufbuild/protobuf";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { ExecuteRequest } from "../../gen/antiphon/internal/v1/owner_service_pb.ts";
import {
  type RerunRunRequest,
  RerunRunRequestSchema,
  type StartRunRequest,
  StartRunRequestSchema,
  type SubmitTaskRequest,
  SubmitTaskRequestSchema,
} from "../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import type { Program } from "../../gen/antiphon/scheduler/v1/task_pb.ts";
import { DomainError } from "../../lib/errors/domain-error.ts";
import { partitionOf } from "../../lib/ids/partition.ts";
import { isRunId } from "../../lib/ids/task-id.ts";
import { sha256 } from "./content-digest.ts";
import { decideStart, requestIdReused } from "./core/decide-command.ts";
import { keptOf } from "./core/decide-rerun.ts";
import type { Fact, KeptOutput } from "./core/event.ts";
import type { Plan } from "./core/plan.ts";
import type { Run } from "./core/run.ts";
import { isFinalRun } from "./core/task-state.ts";
import { type Owner, ownerAway } from "./owner.ts";
import type { Claim } from "./partition-store.ts";
import { definitionOfProgram } from "./program-definition.ts";
import type { EnvSeal, StoredProgram } from "./program-env.ts";
import type { Reservations } from "./reservations.ts";
import { mayUse, runNotFound } from "./run-access.ts";
import { sentJson } from "./sent-json.ts";
import { sortedLabels } from "./sorted-labels.ts";
import { uploadNotFound } from "./uploads.ts";

export interface StartCommandsOptions {
  readonly owner: Pick<Owner, "execute" | "claims">;
  readonly reservations: Pick<Reservations, "during">;
  /** The plan of a stored workflow. */
  readonly planOf: (workflowId: string) => Promise<Plan>;
  /** Folds one run from history; undefined when there is none. */
  readonly load: (runId: string) => Promise<Run | undefined>;
  /** The file of a stand-alone task. */
  readonly programOf: (runId: string) => Promise<StoredProgram | undefined>;
  readonly envs: EnvSeal;
  /** Keeps the files of nodes that a repetition keeps as files of the new run. */
  readonly keepFiles: (repetition: {
    readonly former: Run;
    readonly runId: string;
    readonly kept: readonly KeptOutput[];
  }) => Promise<void>;
}

type StartFact = Extract<Fact, { type: "run_started" }>;

export class StartCommands {
  readonly #options: StartCommandsOptions;

  constructor(options: StartCommandsOptions) {
    this.#options = options;
  }

  async submit(command: ExecuteRequest, request: SubmitTaskRequest): Promise<void> {
    const { runId, clientId } = command;
    const { program, maxActive, dedupeKey } = request;
    if (program === undefined) throw new Error("a submission without a program passed the edge");
    const requestDigest = submissionDigest(request, program);
    const isLimited = maxActive > 0 || dedupeKey !== "";
    const isFound = program.content.length > 0;
    // It is answered again, whatever became of its upload, and of the places.
    if ((isLimited || !isFound) && (await this.#isRepeat(command, requestDigest))) return;
    if (!isFound) throw uploadNotFound(program.uploadId);
    const sealedEnv = this.#options.envs.seal(program.env, runId);
    const begin = async (claim?: Claim) => {
      await this.#begin(command, {
        fact: {
          ...startOf(command),
          requestDigest,
          definition: definitionOfProgram(program),
          input: sentJson(request.input, null),
          ...(Object.keys(request.labels).length > 0 && { labels: request.labels }),
        },
        program: { content: program.content, sealedEnv },
        claim,
      });
    };
    if (!isLimited) return await begin();
    const { owner, reservations } = this.#options;
    const partition = partitionOf(runId);
    const claim = owner.claims.get(partition);
    if (claim === undefined) throw ownerAway(partition);
    await reservations.during(
      { runId, clientId, maxActive, dedupeKey },
      claim,
      async () => await begin(claim),
    );
  }

  async start(command: ExecuteRequest, request: StartRunRequest): Promise<void> {
    const { workflowId, workflowVersion } = command;
    const digested = { ...request, labels: sortedLabels(request.labels), requestId: "" };
    const requestDigest = sha256(toBinary(StartRunRequestSchema, digested));
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
        input: sentJson(request.input, {}),
        ...(hold && { hold }),
        ...(priority !== 0 && { priority }),
        ...(Object.keys(labels).length > 0 && { labels }),
      },
      plan,
    });
  }

  async rerun(command: ExecuteRequest, request: RerunRunRequest): Promise<void> {
    const { load } = this.#options;
    const requestDigest = sha256(toBinary(RerunRunRequestSchema, { ...request, requestId: "" }));
    // Before anything is kept for it: the run that it repeats may be gone by now.
    if (await this.#isRepeat(command, requestDigest)) return;
    const former = isRunId(request.runId) ? await load(request.runId) : undefined;
    if (!mayUse(former, command)) throw runNotFound(request.runId);
    const { workflowId, workflowVersion, priority, labels, plan, input } = former;
    if (request.fromFailed && !isFinalRun(former.state)) throw notEnded(request.runId);
    const kept = request.fromFailed ? keptOf(former) : [];
    await this.#options.keepFiles({ former, runId: command.runId, kept });
    const program =
      workflowId === undefined ? await this.#programAgain(request.runId, command.runId) : undefined;
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

  /** The program of a run, its environment sealed for the run that repeats it. */
  async #programAgain(formerRunId: string, runId: string): Promise<StoredProgram | undefined> {
    const { programOf, envs } = this.#options;
    const former = await programOf(formerRunId);
    if (former === undefined) return undefined;
    return { ...former, sealedEnv: envs.seal(envs.open(former.sealedEnv, formerRunId), runId) };
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
    {
      fact,
      plan,
      program,
      claim,
    }: { fact: StartFact; plan?: Plan; program?: StoredProgram; claim?: Claim | undefined },
  ): Promise<void> {
    await this.#options.owner.execute(
      runId,
      (run, current) => {
        // The place that was taken for it counts under that claim alone.
        if (claim !== undefined && claim !== current) throw ownerAway(current.partition);
        return {
          facts: decideStart(run, fact),
          result: undefined,
          ...(plan && { plan }),
          ...(program && { program }),
        };
      },
      { isNew: isFresh },
    );
  }
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

function notEnded(runId: string): DomainError {
  return new DomainError("NOT_ENDED", `run ${runId} has not ended`, { run_id: runId });
}

/** The digest of a submission, the same for each repeat. Without the environment: a digest of secrets can be tried against guesses. */
function submissionDigest(request: SubmitTaskRequest, program: Program): string {
  // What was uploaded is what its id says, and may be gone when the request comes again.
  const content = program.uploadId === "" ? program.content : new Uint8Array();
  const labels = sortedLabels(request.labels);
  const digested = { ...request, labels, requestId: "", program: { ...program, env: {}, content } };
  return sha256(toBinary(SubmitTaskRequestSchema, digested));
}

function workflowNotFound({ workflowId, workflowName }: StartRunRequest): DomainError {
  const metadata = { workflow_id: (workflowId || workflowName).slice(0, 200) };
  return new DomainError("WORKFLOW_NOT_FOUND", "there is no such workflow", metadata);
}
