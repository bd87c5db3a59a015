import { create } from "@bufbuild/protobuf";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Ended, ReportSchema } from "../../gen/antiphon/worker/v1/assignment_pb.ts";
import { MemoryBroker } from "../../lib/broker/memory-broker.ts";
import { partitionOf } from "../../lib/ids/partition.ts";
import { logger } from "../../lib/log/log.ts";
import { encodeReport, reportStreamOf } from "../../lib/streams/report-stream.ts";
import { aNode, aRun, bringOn, taskOfNode } from "../../test/support/a-run.ts";
import { until } from "../../test/support/until.ts";
import type { Run } from "./core/run.ts";
import { isFinalTask } from "./core/task-state.ts";
import { ListeningClock } from "./lease-watch.ts";
import type { Decision } from "./owner.ts";
import { ReportReader } from "./report-reader.ts";

const runId = "00000000-0000-8000-8000-000000000000";
const partition = partitionOf(runId);
const stream = reportStreamOf(partition);

const aReport = (number: number, leaseToken = "t") =>
  encodeReport(
    create(ReportSchema, {
      workerId: "w",
      incarnation: "i",
      leaseToken,
      runId,
      taskId: runId,
      attempt: 1,
      number,
      fact: { case: "started", value: {} },
    }),
  );

const anEnd = (number: number, outcome: Ended["outcome"]) =>
  encodeReport(
    create(ReportSchema, {
      workerId: "w",
      incarnation: "i",
      leaseToken: "t",
      runId,
      taskId: runId,
      attempt: 1,
      number,
      fact: {
        case: "ended",
        value: { $typeName: "antiphon.worker.v1.Ended", lastSeq: 0, files: [], outcome },
      },
    }),
  );

/** An owner that commits at once what it decides about a run. */
const ownerOf = (run: Run): ConstructorParameters<typeof ReportReader>[0]["owner"] => ({
  claims: new Map([[partition, { partition, epoch: 1 }]]),
  async execute(_runId, decide) {
    const { facts, result } = decide(run, { partition, epoch: 1 });
    bringOn(run, ...facts);
    return result;
  },
});

let stop: AbortController;
let loops: Promise<void>[];
beforeEach(() => {
  stop = new AbortController();
  loops = [];
});
afterEach(async () => {
  stop.abort();
  await Promise.all(loops);
});

describe("ReportReader", () => {
  test("keeps a stored output until its report is the next of its attempt", async () => {
    const broker = new MemoryBroker();
    const run = aRun([aNode("main")]);
    const kept = new Map([["output", Buffer.from('"large"')]]);
    const reader = new ReportReader({
      broker,
      payloads: {
        read: async ({ digest }) => kept.get(Buffer.from(digest).toString()),
        remove: async ({ digest }) => void kept.delete(Buffer.from(digest).toString()),
      },
      owner: ownerOf(run),
      clock: new ListeningClock(1_000),
      log: logger("test", "silent"),
    });
    const isEmpty = async () => (await broker.range(stream, { after: "0-0", count: 1 })).length === 0;
    const ended = anEnd(2, { case: "storedOutput", value: Buffer.from("output") });
    await broker.publish([{ stream, body: ended }]);
    loops.push(reader.run(stop.signal));
    await until("the report that came too early is dealt with", isEmpty);
    await broker.publish([aReport(1), ended].map((body) => ({ stream, body })));
    await until("the attempt has ended", () => isFinalTask(taskOfNode(run, "main").state));
    expect(taskOfNode(run, "main")).toMatchObject({ state: "completed", output: "large" });
    await until("its output is not kept twice", () => kept.size === 0);
  });

  test("counts nothing as applied that came after a report whose output is still being fetched", async () => {
    const broker = new MemoryBroker();
    const run = aRun([aNode("main")]);
    const fetched = Promise.withResolvers<Uint8Array>();
    let fetches = 0;
    const reader = new ReportReader({
      broker,
      payloads: {
        read: async () => {
          fetches += 1;
          return await fetched.promise;
        },
        remove: async () => undefined,
      },
      owner: ownerOf(run),
      clock: new ListeningClock(1_000),
      log: logger("test", "silent"),
    });
    const ended = anEnd(1, { case: "storedOutput", value: Buffer.from("output") });
    await broker.publish([{ stream, body: ended }]);
    loops.push(reader.run(stop.signal));
    await until("the output is being fetched", () => fetches > 0);
    await broker.publish([{ stream, body: aReport(7) }]);
    await until("what came later is dealt with", async () => {
      return (await broker.range(stream, { after: "0-0", count: 10 })).length === 1;
    });
    expect(reader.drainedAt).toBeLessThan(0);
    fetched.resolve(Buffer.from('"large"'));
    await until("all is applied", () => reader.drainedAt >= 0);
    expect(taskOfNode(run, "main").state).toBe("completed");
  });

  test("moves aside what is no report, keeps a bounded part of it, and applies the rest", async () => {
    const broker = new MemoryBroker();
    let applied = 0;
    const reader = new ReportReader({
      broker,
      payloads: { read: async () => undefined, remove: async () => undefined },
      owner: {
        claims: new Map([[partition, { partition, epoch: 1 }]]),
        async execute<Result>(
          _runId: string,
          decide: (run: undefined, claim: { partition: number; epoch: number }) => Decision<Result>,
        ): Promise<Result> {
          applied += 1;
          return decide(undefined, { partition, epoch: 1 }).result;
        },
      },
      clock: new ListeningClock(1_000),
      log: logger("test", "silent"),
    });
    const garbage = Array.from({ length: 400 }, (_, index) => Buffer.from(`\xff garbage ${index}`));
    const tooLarge = new Uint8Array(9 * 1024 * 1024).fill(0xff);
    await broker.publish(
      [...garbage, aReport(1), tooLarge, aReport(2, "t".repeat(1_000)), aReport(3)].map((body) => ({
        stream,
        body,
      })),
    );
    loops.push(reader.run(stop.signal));
    await until("all of it is dealt with", async () => {
      return (await broker.range(stream, { after: "0-0", count: 1 })).length === 0;
    });
    const aside = await broker.range("antiphon:aside", { after: "0-0", count: 1_000 });
    expect(applied).toBe(2);
    expect(aside).toHaveLength(256);
    expect(Math.max(...aside.map(({ body }) => body.length))).toBe(64 * 1024);
    expect(reader.drainedAt).toBeGreaterThanOrEqual(0);
  });
});
