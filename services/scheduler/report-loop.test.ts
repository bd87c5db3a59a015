import { create } from "@bufbuild/protobuf";
import { afterEach, describe, expect, test } from "vitest";
import { ReportSchema } from "../../gen/antiphon/worker/v1/assignment_pb.ts";
import { MemoryBroker } from "../../lib/broker/memory-broker.ts";
import { partitionOf } from "../../lib/ids/partition.ts";
import { logger } from "../../lib/log/log.ts";
import { encodeReport, reportStreamOf } from "../../lib/streams/report-stream.ts";
import { until } from "../../test/support/until.ts";
import { ListeningClock } from "./lease-watch.ts";
import type { Decision } from "./owner.ts";
import { ReportReader } from "./report-loop.ts";

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

const stop = new AbortController();
const loops: Promise<void>[] = [];
afterEach(async () => {
  stop.abort();
  await Promise.all(loops);
});

describe("ReportReader", () => {
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
