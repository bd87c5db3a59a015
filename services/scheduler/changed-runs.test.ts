import { describe, expect, test } from "vitest";
import { aNode, aRun, leased } from "../../test/support/a-run.ts";
import { lookAtChanged } from "./changed-runs.ts";
import type { Run } from "./core/run.ts";
import { ownerAway } from "./owner.ts";

/** Runs by id: those in `held` have a record here, all of them are in history. */
function aWorld({ held, stored }: { held: Record<string, Run>; stored: Record<string, Run> }) {
  const asked: string[] = [];
  const deps = {
    owner: {
      recordOf: (runId: string) => held[runId],
      async execute<Result>(
        runId: string,
        decide: (run: Run | undefined, claim: { partition: number; epoch: number }) => { result: Result },
      ): Promise<Result> {
        asked.push(`commit ${runId}`);
        const run = held[runId];
        if (run === undefined || run.isCancelRequested) throw ownerAway(0);
        return decide(run, { partition: 0, epoch: 1 }).result;
      },
    },
    history: {
      async runsBeyond(known: ReadonlyMap<string, number>) {
        asked.push(`compare ${known.size}`);
        return [...known].flatMap(([runId, seq]) => ((stored[runId]?.seq ?? 0) > seq ? runId : []));
      },
    },
    async loadAll(runIds: readonly string[]) {
      asked.push(`fold ${runIds.join(" ")}`);
      return new Map(
        runIds.flatMap((runId) => (stored[runId] === undefined ? [] : [[runId, stored[runId]]])),
      );
    },
  };
  const look = async (known: Record<string, number>) =>
    Object.fromEntries(await lookAtChanged(deps, new Map(Object.entries(known)), (run) => run.seq));
  return { asked, look };
}

const short = () => aRun([aNode("A")]);
const longer = () => aRun([aNode("A")], leased("A"));

describe("lookAtChanged", () => {
  test("asks one question, and folds nothing, about a thousand runs that have not changed", async () => {
    const ids = Array.from({ length: 1_000 }, (_, index) => `r${index}`);
    const { asked, look } = aWorld({
      held: {},
      stored: Object.fromEntries(ids.map((runId) => [runId, longer()])),
    });
    expect(await look(Object.fromEntries(ids.map((runId) => [runId, 2])))).toEqual({});
    expect(asked).toEqual(["compare 1000"]);
  });

  test("asks nothing about runs whose records hold no more than is known", async () => {
    const { asked, look } = aWorld({ held: { a: longer(), b: short() }, stored: {} });
    expect(await look({ a: 2, b: 1 })).toEqual({});
    expect(asked).toEqual([]);
  });

  test("sees a record that goes on after a commit, and folds what is not held here", async () => {
    const { asked, look } = aWorld({
      held: { held: longer() },
      stored: { changed: longer(), same: short(), never: short() },
    });
    expect(await look({ held: 1, changed: 1, same: 1, never: 0, missing: 0, gone: 3 })).toEqual({
      held: 2,
      changed: 2,
      never: 1,
    });
    expect(asked).toEqual(["commit held", "compare 3", "fold never missing changed"]);
  });

  test("tells who knows nothing of a cancelled run what history shows: it may be deleted", async () => {
    const cancelled = () =>
      aRun([aNode("A")], leased("A"), { type: "cancel_requested", clientId: "c", requestId: "r" });
    const { asked, look } = aWorld({
      held: { hidden: cancelled(), shown: cancelled() },
      stored: { shown: cancelled() },
    });
    expect(await look({ hidden: 0, shown: 0 })).toEqual({ shown: 3 });
    expect(asked).toEqual(["fold hidden shown"]);
  });

  test("folds the history of a run whose record was lost meanwhile", async () => {
    const lost = aRun([aNode("A")], leased("A"), { type: "cancel_requested", clientId: "c", requestId: "r" });
    const { asked, look } = aWorld({ held: { lost }, stored: { lost: longer() } });
    expect(await look({ lost: 1 })).toEqual({ lost: 2 });
    expect(asked).toEqual(["commit lost", "fold lost"]);
  });
});
