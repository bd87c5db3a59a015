import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { RunState } from "../../gen/antiphon/scheduler/v1/run_pb.ts";
import {
  type WatchRunResponse,
  WatchRunResponseSchema,
} from "../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { partitionOf } from "../../lib/ids/partition.ts";
import { ownedRunNews } from "./owned-run-news.ts";
import { RunFeeds } from "./run-feeds.ts";

const runId = "00000000-0000-8000-8000-000000000000";
const partition = partitionOf(runId);
const claims = new Map([[partition, { partition, epoch: 1 }]]);

const aChange = (seq: number, state: RunState): WatchRunResponse =>
  create(WatchRunResponseSchema, { runId, seq, news: { case: "change", value: { state } } });

/** The news of a run of which history holds nothing new. */
function watched(signal: AbortSignal = new AbortController().signal) {
  const feeds = new RunFeeds();
  const past = async () => ({ news: [], seq: 1, hasEnded: false });
  return { feeds, news: ownedRunNews({ claims, feeds, past }, { runId, afterSeq: 1 }, signal) };
}

test("ends after the change that ends the run", async () => {
  const { feeds, news } = watched();
  const first = news.next();
  await expect.poll(() => feeds.has(runId)).toBe(true);
  feeds.publish(runId, aChange(2, RunState.RUNNING));
  feeds.publish(runId, aChange(3, RunState.COMPLETED));
  expect((await first).value).toMatchObject({ seq: 2 });
  expect((await news.next()).value).toMatchObject({ seq: 3 });
  expect(await news.next()).toMatchObject({ done: true });
  expect(feeds.has(runId)).toBe(false);
});

test("does not end like a run when the server stops: it says so", async () => {
  const stopping = new AbortController();
  const { feeds, news } = watched(stopping.signal);
  const first = news.next();
  await expect.poll(() => feeds.has(runId)).toBe(true);
  stopping.abort(new Error("stopping"));
  await expect(first).rejects.toThrow("stopping");
});
