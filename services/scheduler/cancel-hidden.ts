import { decideCancel } from "./core/decide-command.ts";
import type { Owner } from "./owner.ts";
import type { RemovalStore } from "./removal-store.ts";

/** How many runs are cancelled at once. */
const runsPerTurn = 200;

/** What a history has as the request of a deletion that was carried out by nobody in particular. */
const deletion = "deletion";

/**
 * Cancels runs owned here that were deleted while they went on: whoever deleted
 * one may have died before it did. Says whether there may be more. Rejects when
 * one could not be cancelled; the others are all the same.
 */
export async function cancelHidden({
  owner,
  store,
}: {
  readonly owner: Pick<Owner, "claims" | "execute">;
  readonly store: Pick<RemovalStore, "toCancel">;
}): Promise<boolean> {
  const runIds = await store.toCancel({ partitions: [...owner.claims.keys()], limit: runsPerTurn });
  const outcomes = await Promise.allSettled(
    runIds.map(async (runId) => {
      await owner.execute(runId, (run) => ({
        facts: run === undefined ? [] : decideCancel(run, { clientId: run.clientId, requestId: deletion }),
        result: undefined,
      }));
    }),
  );
  for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
  return runIds.length === runsPerTurn;
}
