/*
 * The changes of one run from its owner: what history holds, then what is
 * committed, each once.
 *
 *   W1. The feed is opened before history is read, so nothing falls between.
 *   W2. What the feed brings and history held already is left out by its seq.
 *   W3. The stream ends after the change that ends the run.
 */

import { RunState } from "../../gen/antiphon/scheduler/v1/run_pb.ts";
import type { WatchRunResponse } from "../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { partitionOf } from "../../lib/ids/partition.ts";
import { ownerAway } from "./owner.ts";
import type { Claim } from "./partition-store.ts";
import type { RunFeeds } from "./run-feeds.ts";
import type { PastNews } from "./run-history.ts";

export interface OwnedRunNews {
  readonly claims: ReadonlyMap<number, Claim>;
  readonly feeds: RunFeeds;
  readonly past: (request: {
    readonly runId: string;
    readonly afterSeq: number;
  }) => Promise<PastNews | undefined>;
}

/** Throws `OWNER_UNAVAILABLE` when the run is not owned here, or not any more. Ends when `signal` aborts. */
export async function* ownedRunNews(
  { claims, feeds, past }: OwnedRunNews,
  { runId, afterSeq }: { readonly runId: string; readonly afterSeq: number },
  signal: AbortSignal,
): AsyncGenerator<WatchRunResponse> {
  const partition = partitionOf(runId);
  if (!claims.has(partition)) throw ownerAway(partition);
  using feed = feeds.open(runId);
  const before = await past({ runId, afterSeq });
  if (before === undefined) throw ownerAway(partition);
  yield* before.news;
  if (before.hasEnded) return;
  while (!signal.aborted) {
    for (const news of await feed.next(signal)) {
      if (news.seq <= before.seq) continue;
      yield news;
      if (news.news.case === "change" && isFinal(news.news.value.state)) return;
    }
  }
}

/** Whether a run in this state has ended. */
export function isFinal(state: RunState): boolean {
  return state === RunState.COMPLETED || state === RunState.FAILED || state === RunState.CANCELLED;
}
