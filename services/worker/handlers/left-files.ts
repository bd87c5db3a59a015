import { Backoff } from "../../../lib/async/backoff.ts";
import type { Logger } from "../../../lib/log/log.ts";
import type { StoredFile } from "../outcome.ts";
import type { SandboxedProgram } from "../sandbox/sandbox.ts";
import type { SchedulerCalls } from "../scheduler-calls.ts";
import type { LeasedTask } from "./handler.ts";

/** What became of the files of a program. */
export interface LeftFiles {
  readonly stored: readonly StoredFile[];
  /** Why others were not kept, a line each. */
  readonly notKept: readonly string[];
}

/** What storing files needs. */
export interface LeftFilesNeeds {
  readonly scheduler: Pick<SchedulerCalls, "storeArtifact">;
  readonly log: Pick<Logger, "warn">;
}

/** Stores what an ended program left in its output folders; goes on through outages until the task's signal aborts. `lease_lost` when the attempt is another's. */
export async function storeLeftFiles(
  program: Pick<SandboxedProgram, "collect">,
  task: Pick<LeasedTask, "assignment" | "leaseToken" | "signal">,
  needs: LeftFilesNeeds,
): Promise<LeftFiles | "lease_lost"> {
  const { artifacts, refused, refusedCount } = await program.collect();
  const stored: StoredFile[] = [];
  const notKept = refused.map(({ path, why }) => `${path} is not kept: ${why}`);
  if (refusedCount > refused.length) notKept.push(`${refusedCount - refused.length} more are not kept`);
  for (const artifact of artifacts) {
    const outcome = await storeFile(artifact, task, needs);
    if (outcome === "aborted") break;
    if (outcome.kind === "lease_lost") return "lease_lost";
    if (outcome.kind === "stored") stored.push({ path: artifact.path, size: artifact.sizeBytes });
    else notKept.push(`${artifact.path} is not kept: ${outcome.message}`);
  }
  return { stored, notKept };
}

type Collected = Awaited<ReturnType<SandboxedProgram["collect"]>>["artifacts"][number];

async function storeFile(
  artifact: Collected,
  { assignment, leaseToken, signal }: Pick<LeasedTask, "assignment" | "leaseToken" | "signal">,
  { scheduler, log }: LeftFilesNeeds,
): Promise<Awaited<ReturnType<SchedulerCalls["storeArtifact"]>> | "aborted"> {
  const { runId, taskId, attempt } = assignment;
  const { path, sizeBytes: size } = artifact;
  const backoff = new Backoff({ firstMs: 100, maxMs: 5_000 });
  for (;;) {
    const content = await artifact.open();
    try {
      return await scheduler.storeArtifact(
        { runId, taskId, attempt, leaseToken, path, size, content },
        signal,
      );
    } catch (error) {
      if (signal.aborted) return "aborted";
      if (backoff.failures > 0) log.warn({ err: error, taskId, attempt }, "file of a program not stored");
      await backoff.wait(signal);
      if (signal.aborted) return "aborted";
    } finally {
      content.destroy();
    }
  }
}
