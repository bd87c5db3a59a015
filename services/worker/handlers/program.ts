/*
 * Runs a program: fetches it, prepares its environment, starts it in a sandbox,
 * passes on what it says, and keeps what it leaves.
 *
 *   P1. Nothing is started without the lease, and the program's file is given
 *       out to the holder of the lease alone.
 *   P2. A cancel ends the program with a grace; a lost lease ends it at once.
 *   P3. The outcome is told only when no process of the program is alive, its
 *       output is read to the end, and its files are stored.
 */
import { Output_Stream } from "../../../gen/antiphon/taskio/v1/transcript_pb.ts";
import type { FetchProgramResponse } from "../../../gen/antiphon/worker/v1/worker_service_pb.ts";
import { Backoff } from "../../../lib/async/backoff.ts";
import type { Logger } from "../../../lib/log/log.ts";
import type { EnvironmentCache } from "../environment/cache.ts";
import { EnvironmentError } from "../environment/environment-error.ts";
import type { Outcome } from "../outcome.ts";
import type { ProgramSpec, Sandbox, SandboxedProgram } from "../sandbox/sandbox.ts";
import type { SchedulerCalls } from "../scheduler-calls.ts";
import { conversation } from "./conversation.ts";
import type { EndCause, LeasedHandler, LeasedTask } from "./handler.ts";
import { LastLine } from "./last-line.ts";
import { storeLeftFiles } from "./left-files.ts";
import { type ProgramFile, ProgramRefused, programFile } from "./program-file.ts";
import { outcomeOf } from "./program-outcome.ts";

export interface ProgramNeeds {
  readonly scheduler: Pick<SchedulerCalls, "fetchProgram" | "storeArtifact">;
  readonly sandbox: Pick<Sandbox, "start">;
  readonly environments: Pick<EnvironmentCache, "acquire">;
  /** The folder that holds our Python package, where every uid may read it. */
  readonly shimFolder: string;
  readonly log: Logger;
}

/** Where programs find our Python package. */
const shimTarget = "/opt/antiphon";

/** How long a program has between being told to end and being ended. */
const graceMs: Readonly<Record<EndCause, number>> = { cancelled: 5_000, shutdown: 1_000, lost: 0 };

/** A result file over this is not read. What is above the bound on outputs, and below this, fails with that reason. */
const maxResultFileBytes = 16 * 1_048_576;

export function program(needs: ProgramNeeds): LeasedHandler {
  return {
    kind: "leased",
    slots: "program",
    run: async (task) => {
      try {
        return await run(needs, task);
      } catch (error) {
        if (task.signal.aborted) return { kind: "cancelled" };
        const refused = refusalOf(error);
        if (refused === undefined) throw error;
        return refused;
      }
    },
  };
}

async function run(needs: ProgramNeeds, task: LeasedTask): Promise<Outcome> {
  const { assignment, signal, transcript } = task;
  const fetched = await fetch(needs, task);
  if (fetched === undefined) return { kind: "cancelled" };
  const file = programFile(assignment.config, fetched);
  await using environment = await needs.environments.acquire(file.environment, {
    onOutput: (chunk) => void transcript.write(Output_Stream.SYSTEM, chunk),
    signal,
  });
  if (signal.aborted) return { kind: "cancelled" };
  const spec = specOf(file, environment, task, needs.shimFolder);
  await using running = await startedUnless(signal, needs.sandbox, spec);
  task.started();
  const lastLine = new LastLine();
  const [end, result] = await Promise.all([
    running.exited,
    conversation(running, task),
    passOn(running.stdout, (chunk) => transcript.write(Output_Stream.STDOUT, chunk)),
    passOn(running.stderr, (chunk) => {
      lastLine.add(chunk);
      return transcript.write(Output_Stream.STDERR, chunk);
    }),
  ]);
  if (signal.aborted) return { kind: "cancelled" };
  const outcome = await outcomeOf({
    end,
    result,
    lastErrorLine: lastLine.text,
    wallMs: file.wallMs,
    resultFile: () => running.resultFile(maxResultFileBytes),
  });
  const left = await storeLeftFiles(running, task, needs);
  if (left === "lease_lost") {
    task.leaseLost();
    return { kind: "cancelled" };
  }
  for (const line of left.notKept) {
    await transcript.write(Output_Stream.SYSTEM, Buffer.from(`${line}\n`));
  }
  return outcome.kind === "cancelled" ? outcome : { ...outcome, files: left.stored };
}

/** Fetches the program, through outages; undefined when the attempt must end first. */
async function fetch(
  { scheduler, log }: ProgramNeeds,
  { assignment, leaseToken, signal, leaseLost }: LeasedTask,
): Promise<FetchProgramResponse | undefined> {
  const { runId, taskId, attempt } = assignment;
  const backoff = new Backoff({ firstMs: 50, maxMs: 2_000 });
  while (!signal.aborted) {
    try {
      const fetched = await scheduler.fetchProgram({ runId, taskId, attempt, leaseToken }, signal);
      if (fetched.kind === "fetched") return fetched.answer;
      leaseLost();
      return undefined;
    } catch (error) {
      if (backoff.failures > 0) log.warn({ err: error, taskId, attempt }, "program not fetched");
      await backoff.wait(signal);
    }
  }
  return undefined;
}

function specOf(
  file: ProgramFile,
  { python, mounts }: { readonly python: string; readonly mounts: NonNullable<ProgramSpec["mounts"]> },
  { assignment }: LeasedTask,
  shimFolder: string,
): ProgramSpec {
  const { runId, taskId, attempt } = assignment;
  const { kind, fileName, wallMs, input, variables, message } = file;
  return {
    command: (places) => [
      places.at(python),
      "-I",
      "-u",
      places.at(`${shimTarget}/antiphon/__main__.py`),
      kind,
      fileName,
      ...file.arguments,
    ],
    variables,
    inputs: new Map([[fileName, file.content]]),
    mounts: [...mounts, { source: shimFolder, target: shimTarget }],
    network: "none",
    stdin: "closed",
    limits: { wallMs },
    start: { runId, taskId, attempt, input, ...(message !== "" && { message }) },
  };
}

/** Starts a program that ends with the task's signal: at once or with a grace, as its reason demands (P2). */
async function startedUnless(
  signal: AbortSignal,
  sandbox: Pick<Sandbox, "start">,
  spec: ProgramSpec,
): Promise<SandboxedProgram> {
  const atOnce = new AbortController();
  let running: SandboxedProgram | undefined;
  const end = (): void => {
    const cause = signal.reason as EndCause;
    if (cause === "lost") atOnce.abort();
    running?.channel.send({ type: "cancel" });
    // Its end is awaited by who waits for `exited`.
    void running?.stop({ graceMs: graceMs[cause] });
  };
  signal.addEventListener("abort", end, { once: true });
  running = await sandbox.start(spec, atOnce.signal);
  if (signal.aborted) end();
  return running;
}

async function passOn(
  output: AsyncIterable<Uint8Array>,
  write: (chunk: Uint8Array) => Promise<void>,
): Promise<void> {
  for await (const chunk of output) await write(chunk);
}

/** What a submitter or operator has to know; undefined for a defect. */
function refusalOf(error: unknown): Outcome | undefined {
  if (error instanceof ProgramRefused) {
    return { kind: "failed", reason: "HANDLER_FAILED", message: error.message };
  }
  if (!(error instanceof EnvironmentError)) return undefined;
  const reason = error.fault === "SANDBOX_UNAVAILABLE" ? "SANDBOX_UNAVAILABLE" : "ENVIRONMENT_FAILED";
  return { kind: "failed", reason, message: error.message };
}
