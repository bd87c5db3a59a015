import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RunState } from "../../../gen/antiphon/scheduler/v1/run_pb.ts";
import type { WatchRunResponse } from "../../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import type { Task, TaskState } from "../../../gen/antiphon/scheduler/v1/task_pb.ts";
import { delay } from "../../../lib/async/delay.ts";
import { bytes, type Replica, type World, world } from "./scheduler-world.ts";

/** What a caller knows of runs that it watches, from stream to stream. */
class Watcher {
  readonly seqs = new Map<string, number>();
  readonly states = new Map<string, TaskState>();
  readonly ended = new Set<string>();

  /** Takes news in; throws when one came out of order or twice. */
  take({ runId, seq, news }: WatchRunResponse): void {
    if (news.case === "heartbeat" || news.case === undefined) return;
    const before = this.seqs.get(runId) ?? 0;
    if (seq <= before) throw new Error(`run ${runId}: ${news.case} ${seq} after ${before}`);
    if (news.case === "snapshot" && before > 0) throw new Error(`run ${runId} began again`);
    this.seqs.set(runId, seq);
    for (const { taskId, state } of news.value.tasks as readonly Task[]) this.states.set(taskId, state);
    if (news.value.state === RunState.COMPLETED) this.ended.add(runId);
  }

  /** What to ask for to go on. */
  request(runIds: readonly string[]) {
    return { runs: runIds.map((runId) => ({ runId, afterSeq: this.seqs.get(runId) ?? 0 })) };
  }
}

describe("a watcher of a hundred runs", () => {
  let all: World;
  let workingReplica: Replica;

  beforeAll(async () => {
    all = await world("redis");
    workingReplica = await all.replica();
  });
  afterAll(async () => await all[Symbol.asyncDispose]());

  const node = (id: string, dependencies: string[] = []) => ({
    id,
    handler: "noop",
    dependencies,
    config: bytes({}),
  });

  test("learns every change once, however often it resumes and whoever owns the runs", async () => {
    const first = await all.replica();
    const { workflow } = await first.client.createWorkflow({
      name: "test",
      dag: { nodes: [node("A"), node("B", ["A"]), node("C", ["A"]), node("D", ["B", "C"])] },
    });
    const runIds = await Promise.all(
      Array.from({ length: 100 }, async () => {
        const { run } = await first.client.startRun({ workflowId: workflow?.workflowId ?? "" });
        return run?.runId ?? "";
      }),
    );
    const stop = new AbortController();
    const working = work(stop.signal);
    const watcher = new Watcher();
    try {
      // Two streams that the watcher itself breaks, with the owner of half the runs gone after the second.
      for (const count of [120, 60]) {
        const broken = new AbortController();
        let news = 0;
        try {
          const stream = first.client.watchRun(watcher.request(runIds), { signal: broken.signal });
          for await (const one of stream) {
            watcher.take(one);
            news += 1;
            if (news === count) broken.abort();
          }
        } catch (error) {
          if (!broken.signal.aborted) throw error;
        }
      }
      expect(watcher.seqs.size).toBeGreaterThan(0);
      await first[Symbol.asyncDispose]();
      const stream = workingReplica.client.watchRun(watcher.request(runIds));
      for await (const one of stream) watcher.take(one);
    } finally {
      stop.abort();
      await working;
    }
    expect(watcher.ended.size).toBe(100);
    for (const runId of runIds) {
      const { run } = await workingReplica.client.getRun({ runId });
      for (const { taskId, state } of run?.tasks ?? []) expect(watcher.states.get(taskId)).toBe(state);
      const { events } = await workingReplica.client.listRunEvents({ runId });
      expect(watcher.seqs.get(runId)).toBe(events.at(-1)?.seq);
    }
  });

  /** Completes whatever comes until it is stopped. */
  async function work(signal: AbortSignal): Promise<void> {
    const worker = workingReplica.fakeWorker();
    while (!signal.aborted) {
      for (const taken of await worker.take("noop", { count: 10, waitMs: 50 })) await worker.complete(taken);
      await delay(5, signal);
    }
  }

  test("is told nothing more of one that ended, but the end", async () => {
    const { workflow } = await workingReplica.client.createWorkflow({
      name: "one",
      dag: { nodes: [node("A")] },
    });
    const { run } = await workingReplica.client.startRun({ workflowId: workflow?.workflowId ?? "" });
    const runId = run?.runId ?? "";
    await workingReplica.client.cancelRun({ runId });
    const seen = async (afterSeq: number) => {
      const news: unknown[] = [];
      for await (const one of workingReplica.client.watchRun({ runs: [{ runId, afterSeq }] })) {
        news.push([one.news.case, one.seq]);
      }
      return news;
    };
    expect(await seen(0)).toEqual([["snapshot", 2]]);
    expect(await seen(1)).toEqual([["change", 2]]);
    expect(await seen(2)).toEqual([]);
    expect(await seen(99)).toEqual([]);
  });

  test("may name neither none nor more, nor one that is another's", async () => {
    const refused = async (runs: readonly { runId: string; afterSeq?: number }[]) => {
      for await (const _ of workingReplica.client.watchRun({ runs: [...runs] }));
    };
    const runId = "00000000-0000-4000-8000-000000000000";
    await expect(refused([])).rejects.toThrow("runs: has not from 1 to 100 items");
    await expect(refused(Array.from({ length: 101 }, () => ({ runId })))).rejects.toThrow(
      "runs: has not from 1",
    );
    await expect(refused([{ runId, afterSeq: -1 }])).rejects.toThrow("runs[0].after_seq: is negative");
    await expect(refused([{ runId }])).rejects.toThrow("there is no such run");
  });
});
