/*
 * Stands in for services/scheduler/owner.ts: the same owner, whose records are
 * looked at whenever something is decided on them.
 */

import type { Run } from "../../../services/scheduler/core/run.ts";
import { type Decision, Owner as RealOwner } from "../../../services/scheduler/owner.ts";
import type { Claim } from "../../../services/scheduler/partition-store.ts";
import { presentSimulation } from "./present.ts";

export * from "../../../services/scheduler/owner.ts";

export class Owner extends RealOwner {
  override adopt(claims: readonly Claim[], runs: Iterable<Run>): void {
    const adopted = [...runs];
    presentSimulation().records.adopted(claims, adopted);
    super.adopt(claims, adopted);
  }

  override async execute<Result>(
    runId: string,
    decide: (run: Run | undefined, claim: Claim) => Decision<Result>,
    options: { readonly isNew?: boolean } = {},
  ): Promise<Result> {
    const { records } = presentSimulation();
    return await super.execute(
      runId,
      (run, claim) => {
        records.seen(run);
        return decide(run, claim);
      },
      options,
    );
  }
}
