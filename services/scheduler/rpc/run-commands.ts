import { randomUUID } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import {
  type ExecuteRequest,
  ExecuteRequestSchema,
} from "../../../gen/antiphon/internal/v1/owner_service_pb.ts";
import type { Run as RunMessage } from "../../../gen/antiphon/scheduler/v1/run_pb.ts";
import type { SchedulerService } from "../../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { isRunId } from "../../../lib/ids/task-id.ts";
import type { CommandRouter } from "../command-router.ts";
import { runMessage } from "../run-message.ts";
import { type LoadRun, owningOf, runFor, runNotFound } from "./access.ts";
import { requestedRun } from "./requested-run.ts";
import type { StartSource } from "./start-source.ts";
import { refuse, requestIdFaults, signalFaults, startFaults } from "./validate.ts";

export interface RunCommandsDeps {
  readonly router: Pick<CommandRouter, "execute">;
  readonly load: LoadRun;
  readonly source: StartSource;
}

type RunCommands = Pick<
  ServiceImpl<typeof SchedulerService>,
  "startRun" | "rerunRun" | "cancelRun" | "pauseRun" | "resumeRun" | "signalRun"
>;

/** The RPCs that start and steer runs. */
export function runCommands({ router, load, source }: RunCommandsDeps): RunCommands {
  /** Carries out what is asked of a run of the caller's, and answers it as it then stands. */
  const steer = async (
    asked: { readonly runId: string; readonly requestId: string },
    command: ExecuteRequest["command"],
    context: HandlerContext,
  ): Promise<RunMessage> => {
    refuse(requestIdFaults(asked.requestId));
    const caller = owningOf(context);
    const { runId } = asked;
    // Whether there is such a run of the caller's says its owner, who has it at hand: history may be long.
    if (!isRunId(runId)) throw runNotFound(runId);
    const requestId = asked.requestId || randomUUID();
    await router.execute(
      create(ExecuteRequestSchema, { ...caller, runId, requestId, command }),
      context.signal,
    );
    return runMessage(await runFor(caller, runId, load));
  };

  return {
    async startRun(request, context) {
      refuse(startFaults(request));
      const caller = owningOf(context);
      const workflow = await source.find(caller, request);
      const requested = requestedRun(caller, request.requestId);
      const command = { case: "startRun", value: request } as const;
      await router.execute(
        create(ExecuteRequestSchema, { ...requested, ...workflow, command }),
        context.signal,
      );
      return { run: runMessage(await runFor(caller, requested.runId, load)) };
    },

    async rerunRun(request, context) {
      refuse(requestIdFaults(request.requestId));
      const caller = owningOf(context);
      const requested = requestedRun(caller, request.requestId);
      const command = { case: "rerunRun", value: request } as const;
      await router.execute(create(ExecuteRequestSchema, { ...requested, command }), context.signal);
      return { run: runMessage(await runFor(caller, requested.runId, load)) };
    },

    async cancelRun(request, context) {
      return { run: await steer(request, { case: "cancelRun", value: request }, context) };
    },

    async pauseRun(request, context) {
      return { run: await steer(request, { case: "pauseRun", value: request }, context) };
    },

    async resumeRun(request, context) {
      return { run: await steer(request, { case: "resumeRun", value: request }, context) };
    },

    async signalRun(request, context) {
      refuse([...requestIdFaults(request.requestId), ...signalFaults(request)]);
      return { run: await steer(request, { case: "signalRun", value: request }, context) };
    },
  };
}
