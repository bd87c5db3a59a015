/*
 * WatchRun: the changes of many runs in one stream, from whichever replicas own
 * them.
 *
 *   V1. Each run is followed by its seq, so a change of owner in the middle
 *       neither loses nor doubles a change.
 *   V2. The stream ends when all runs have, or with the first refusal; a replica
 *       that is stopping refuses, so that no end is mistaken for that of a run.
 */
import { create } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import {
  type SchedulerService,
  type WatchRunResponse,
  WatchRunResponseSchema,
} from "../../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { Backoff } from "../../../lib/async/backoff.ts";
import { merge } from "../../../lib/async/merge.ts";
import { DomainError } from "../../../lib/errors/domain-error.ts";
import { partitionOf } from "../../../lib/ids/partition.ts";
import { isFinal, type OwnedRunNews, ownedRunNews } from "../owned-run-news.ts";
import { ownerAway } from "../owner.ts";
import type { OwnerDirectory } from "../owner-directory.ts";
import type { Peers } from "../peers.ts";
import { type LoadRun, owningOf, runFor } from "./access.ts";

/** How many runs one stream may follow. */
const maxRuns = 100;

/** How long a stream is silent before it gives a sign of life. */
const heartbeatMs = 15_000;

/** How long a run without an owner is waited for before the stream ends. */
const patienceMs = 30_000;

export interface WatchRunDeps {
  readonly load: LoadRun;
  readonly owned: OwnedRunNews;
  readonly directory: OwnerDirectory;
  readonly peers: Peers;
}

export function watchRun(deps: WatchRunDeps): ServiceImpl<typeof SchedulerService>["watchRun"] {
  return async function* (request, context) {
    const { runs } = request;
    if (runs.length === 0 || runs.length > maxRuns) {
      const message = `has not from 1 to ${maxRuns} items`;
      throw DomainError.ofFaults([{ path: "runs", reason: "FIELD_INVALID", message }]);
    }
    runs.forEach(({ afterSeq }, index) => {
      if (afterSeq >= 0) return;
      const path = `runs[${index}].after_seq`;
      throw DomainError.ofFaults([{ path, reason: "FIELD_INVALID", message: "is negative" }]);
    });
    const caller = owningOf(context);
    await Promise.all(runs.map(async ({ runId }) => await runFor(caller, runId, deps.load)));
    const stop = new AbortController();
    const signal = AbortSignal.any([context.signal, stop.signal]);
    try {
      const streams = runs.map(({ runId, afterSeq }) => follow(deps, { runId, afterSeq }, signal));
      for await (const news of merge(streams, { idleMs: heartbeatMs, signal })) yield news ?? heartbeat();
      context.signal.throwIfAborted();
    } finally {
      stop.abort();
    }
  };
}

/** The changes of one run, over changes of its owner. */
async function* follow(
  { owned, directory, peers }: WatchRunDeps,
  { runId, afterSeq }: { runId: string; afterSeq: number },
  signal: AbortSignal,
): AsyncGenerator<WatchRunResponse> {
  const partition = partitionOf(runId);
  const backoff = new Backoff({ firstMs: 20, maxMs: 1_000 });
  let seq = afterSeq;
  let giveUpAt = performance.now() + patienceMs;
  while (!signal.aborted) {
    try {
      const address = directory.ownerOf(partition)?.address ?? "";
      const isHere = owned.claims.has(partition);
      if (!isHere && address === "") throw ownerAway(partition);
      const request = { runId, afterSeq: seq };
      const stream = isHere ? ownedRunNews(owned, request, signal) : peers.watchRun(address, request, signal);
      for await (const news of stream) {
        seq = news.seq;
        yield news;
        if (isFinal(stateOf(news))) return;
        backoff.reset();
        giveUpAt = performance.now() + patienceMs;
      }
      // A resumed stream of a run that has ended brings nothing, and ends.
      return;
    } catch (error) {
      const isAway = error instanceof DomainError && error.reason === "OWNER_UNAVAILABLE";
      if (!isAway || performance.now() > giveUpAt) throw error;
    }
    await backoff.wait(signal);
  }
}

function stateOf({ news }: WatchRunResponse) {
  return news.case === "change" || news.case === "snapshot" ? news.value.state : 0;
}

function heartbeat(): WatchRunResponse {
  return create(WatchRunResponseSchema, { news: { case: "heartbeat", value: {} } });
}
