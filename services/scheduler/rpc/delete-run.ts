import { randomUUID } from "node:crypto";
import { create, toBinary } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import { ExecuteRequestSchema } from "../../../gen/antiphon/internal/v1/owner_service_pb.ts";
import {
  DeleteRunRequestSchema,
  type SchedulerService,
} from "../../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { DomainError } from "../../../lib/errors/domain-error.ts";
import { isRunId } from "../../../lib/ids/task-id.ts";
import type { CommandRouter } from "../command-router.ts";
import { sha256 } from "../content-digest.ts";
import { requestIdReused } from "../core/decide-command.ts";
import type { RemovalStore } from "../removal-store.ts";
import { owningOf, runNotFound } from "./access.ts";
import { refuse, requestIdFaults } from "./validate.ts";

/** DeleteRun: hides a run at once; what belonged to it goes by and by, once it has ended. */
export function deleteRun({
  removals,
  router,
  onHidden,
}: {
  readonly removals: Pick<RemovalStore, "hide">;
  readonly router: Pick<CommandRouter, "execute">;
  /** Called when there is something to cancel or to remove. */
  readonly onHidden: () => void;
}): ServiceImpl<typeof SchedulerService>["deleteRun"] {
  return async (request, context) => {
    refuse(requestIdFaults(request.requestId));
    const { runId, force } = request;
    if (!isRunId(runId)) throw runNotFound(runId);
    const { clientId, admin } = owningOf(context);
    const requestId = request.requestId || randomUUID();
    const digest = `delete run ${sha256(toBinary(DeleteRunRequestSchema, { ...request, requestId: "" }))}`;
    const outcome = await removals.hide(
      { runId, clientId: admin ? undefined : clientId, force },
      { clientId, requestId, digest },
    );
    switch (outcome) {
      case "deleted": {
        const command = { case: "cancelRun", value: { runId } } as const;
        const cancel = create(ExecuteRequestSchema, { runId, clientId, admin, requestId, command });
        // If its owner is away, it is cancelled when another looks for what is hidden.
        if (force) await router.execute(cancel, context.signal).catch(() => undefined);
        onHidden();
        return {};
      }
      case "reused":
        throw requestIdReused(requestId);
      case "not_found":
        throw runNotFound(runId);
      case "not_ended": {
        const message = "the run, its parent, or a run that it started has not ended";
        throw new DomainError("NOT_ENDED", message, { run_id: runId });
      }
    }
  };
}
