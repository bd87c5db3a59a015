import type { WatchRunResponse } from "../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { begin, evolve } from "./core/evolve.ts";
import { isFinalRun } from "./core/task-state.ts";
import { decodeEvent, workflowOf } from "./event-codec.ts";
import type { HistoryStore } from "./history-store.ts";
import type { RunLoader } from "./run-loader.ts";
import { changeNews, snapshotNews } from "./run-message.ts";

/** What a watcher gets out of history, and whether the run has ended by then. */
export interface PastNews {
  readonly news: readonly WatchRunResponse[];
  readonly seq: number;
  readonly hasEnded: boolean;
}

/** Reads the changes of a run after a `seq`, or the run as it stands when that is 0. A `seq` of the future brings nothing. */
export async function pastNews(
  { history, loader }: { readonly history: Pick<HistoryStore, "eventsOf">; readonly loader: RunLoader },
  { runId, afterSeq }: { readonly runId: string; readonly afterSeq: number },
): Promise<PastNews | undefined> {
  const [first, ...rest] = await history.eventsOf([runId]);
  if (first === undefined) return undefined;
  const workflowId = workflowOf(first);
  const plan = workflowId === undefined ? undefined : (await loader.plansOf([workflowId])).get(workflowId);
  const definitionOf = (id: string) => {
    if (plan === undefined) throw new Error(`workflow ${id} is not there`);
    return plan.definition;
  };
  const { run } = begin(runId, decodeEvent(first, definitionOf), plan);
  const news: WatchRunResponse[] = [];
  for (const row of rest) {
    const { changed } = evolve(run, decodeEvent(row, definitionOf));
    if (afterSeq > 0 && row.seq > afterSeq) news.push(changeNews(run, changed));
  }
  if (afterSeq === 0) news.push(snapshotNews(run));
  return { news, seq: run.seq, hasEnded: isFinalRun(run.state) };
}
