/*
 * Stands in for services/worker/handlers/noop.ts: a short handler that does what
 * the config of its node says, and completes without a script.
 */
import { setTimeout } from "node:timers/promises";
import type { ShortHandler, ShortTask } from "../../../services/worker/handlers/handler.ts";
import type { Outcome } from "../../../services/worker/outcome.ts";
import { presentProcess, presentSimulation } from "../checks/present.ts";
import { readScript, type Script } from "./script.ts";

export const noop: ShortHandler = {
  kind: "short",
  run: (task) => {
    const { script } = JSON.parse(Buffer.from(task.assignment.config).toString("utf8")) as {
      readonly script?: string;
    };
    const process = presentProcess();
    const token = (task as unknown as { readonly leaseToken: string }).leaseToken;
    const finish = (outcome: Outcome): Outcome => {
      if (!task.signal.aborted) presentSimulation().work.finished(process, task.assignment, token);
      return outcome;
    };
    const { steps, ...end } =
      script === undefined ? { steps: [], end: "complete" as const, failsBefore: 0 } : readScript(script);
    return steps.length === 0 ? finish(endOf(end, task)) : follow({ steps, ...end }, task).then(finish);
  },
};

async function follow({ steps, ...end }: Script, task: ShortTask): Promise<Outcome> {
  for (const step of steps) {
    if (step.kind !== "wait") continue;
    await setTimeout(step.ms, undefined, { signal: task.signal }).catch(() => undefined);
    if (task.signal.aborted) return { kind: "cancelled" };
  }
  return endOf(end, task);
}

function endOf({ end, failsBefore }: Omit<Script, "steps">, { assignment }: ShortTask): Outcome {
  if (end === "throw") throw new Error("the script throws");
  if (end === "fail" || assignment.attempt < failsBefore) {
    return { kind: "failed", reason: "HANDLER_FAILED", message: "the script fails" };
  }
  return { kind: "completed", output: assignment.config };
}
