/*
 * The changes of one run from its owner: what history holds, then what is
 * committed, each once.
 *
 *   W1. The feed is opened before history is read, so nothing falls between. A
 *       change that was decided before that, and committed after, comes through
 *       the feed as a word only; it is then read from history.
 *   W2. What the feed brings and was read from history already is left out by its
 *       seq.
 *   W3. The stream ends after the change that ends the run, and only then.
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

/** Throws `OWNER_UNAVAILABLE` when the run is not owned here, or not any more, and the reason of `signal` when that aborts. */
export async function* ownedRunNews(
  { claims, feeds, past }: OwnedRunNews,
  { runId, afterSeq }: { readonly runId: string; readonly afterSeq: number },
  signal: AbortSignal,
): AsyncGenerator<WatchRunResponse> {
  const partition = partitionOf(runId);
  if (!claims.has(partition)) throw ownerAway(partition);
  using feed = feeds.open(runId);
  let seq = afterSeq;
  let hasEnded = false;
  const fromHistory = async function* (): AsyncGenerator<WatchRunResponse> {
    const read = await past({ runId, afterSeq: seq });
    if (read === undefined) throw ownerAway(partition);
    ({ seq, hasEnded } = read);
    yield* read.news;
  };
  yield* fromHistory();
  while (!hasEnded) {
    signal.throwIfAborted();
    for (const news of await feed.next(signal)) {
      if (news === undefined) {
        yield* fromHistory();
      } else if (news.seq > seq) {
        seq = news.seq;
        yield news;
        hasEnded = news.news.case === "change" && isFinal(news.news.value.state);
      }
    }
  }
}

/** Whether a run in this state has ended. */
export function isFinal(state: RunState): boolean {
  return state === RunState.COMPLETED || state === RunState.FAILED || state === RunState.CANCELLED;
}
