import type { WatchRunResponse } from "../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { begin, evolve } from "./core/evolve.ts";
import type { Plan } from "./core/plan.ts";
import type { Run, Task } from "./core/run.ts";
import { isFinalRun } from "./core/task-state.ts";
import { decodeEvent, type EventRow, workflowOf } from "./event-codec.ts";
import type { HistoryStore } from "./history-store.ts";
import type { RunLoader } from "./run-loader.ts";
import { changeNews, snapshotNews } from "./run-message.ts";

/** How many events are read at a time, so that a long history is never in memory as a whole. */
const eventsPerRead = 1_000;

/** What histories are read from. */
export interface RunHistory {
  readonly history: Pick<HistoryStore, "eventPage">;
  readonly loader: Pick<RunLoader, "plansOf">;
}

/** One event of a history, and the run after it. */
export interface HistoryStep {
  readonly row: EventRow;
  /** Changes with the next step. */
  readonly run: Run;
  /** The tasks that the event changed. */
  readonly changed: ReadonlySet<Task>;
}

/** Folds the history of a run step by step; yields nothing when it is unknown or deleted. */
export async function* historySteps(
  { history, loader }: RunHistory,
  runId: string,
): AsyncGenerator<HistoryStep> {
  let plans: ReadonlyMap<string, Plan> = new Map();
  const definitionOf = (workflowId: string) => {
    const plan = plans.get(workflowId);
    if (plan === undefined) throw new Error(`workflow ${workflowId} is not there`);
    return plan.definition;
  };
  let run: Run | undefined;
  for (;;) {
    const afterSeq = run?.seq ?? 0;
    const rows = await history.eventPage({ runId, afterSeq, limit: eventsPerRead });
    for (const row of rows) {
      if (run === undefined) {
        const workflowId = workflowOf(row);
        if (workflowId !== undefined) plans = await loader.plansOf([workflowId]);
        const begun = begin(runId, decodeEvent(row, definitionOf), plans.get(workflowId ?? ""));
        run = begun.run;
        yield { row, run, changed: begun.changed };
      } else {
        const { changed } = evolve(run, decodeEvent(row, definitionOf));
        yield { row, run, changed };
      }
    }
    if (rows.length < eventsPerRead) return;
  }
}

/** What a watcher gets out of history, and whether the run has ended by then. */
export interface PastNews {
  readonly news: readonly WatchRunResponse[];
  readonly seq: number;
  readonly hasEnded: boolean;
}

/** Reads the changes of a run after a `seq`, or the run as it stands when that is 0. A `seq` of the future brings nothing. Undefined when the run is unknown or deleted. */
export async function pastNews(
  from: RunHistory,
  { runId, afterSeq }: { readonly runId: string; readonly afterSeq: number },
): Promise<PastNews | undefined> {
  const news: WatchRunResponse[] = [];
  let last: Run | undefined;
  for await (const { row, run, changed } of historySteps(from, runId)) {
    if (afterSeq > 0 && row.seq > afterSeq) news.push(changeNews(run, changed));
    last = run;
  }
  if (last === undefined) return undefined;
  if (afterSeq === 0) news.push(snapshotNews(last));
  return { news, seq: last.seq, hasEnded: isFinalRun(last.state) };
}
