import { create } from "@bufbuild/protobuf";
import { AssignmentSchema } from "../../gen/antiphon/worker/v1/assignment_pb.ts";
import type { LeasedHandler, LeasedTask } from "../../services/worker/handlers/handler.ts";
import type { Outcome } from "../../services/worker/outcome.ts";

/** Carries out one attempt of a handler that neither writes nor asks. */
export async function carryOut(
  handler: LeasedHandler,
  config: unknown,
  {
    taskId = "a-task",
    attempt = 1,
    signal = new AbortController().signal,
    started = () => undefined,
  }: Partial<Pick<LeasedTask, "signal" | "started">> & {
    readonly taskId?: string;
    readonly attempt?: number;
  } = {},
): Promise<Outcome> {
  return await handler.run({
    assignment: create(AssignmentSchema, { taskId, attempt, config: Buffer.from(JSON.stringify(config)) }),
    signal,
    started,
    leaseToken: "a-token",
    transcript: { write: async () => undefined, say: async () => undefined },
    prompts: { ask: async () => undefined },
    leaseLost: () => undefined,
  });
}

/** The output of a completed attempt. Throws with the outcome when it is another. */
export function outputOf(outcome: Outcome): unknown {
  if (outcome.kind !== "completed") throw new Error(`not completed: ${JSON.stringify(outcome)}`);
  return JSON.parse(Buffer.from(outcome.output).toString());
}
