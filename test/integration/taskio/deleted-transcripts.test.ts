import { randomUUID } from "node:crypto";
import { createClient } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TranscriptService } from "../../../gen/antiphon/internal/v1/transcript_service_pb.ts";
import { Database } from "../../../lib/postgres/database.ts";
import { sql } from "../../../lib/postgres/sql.ts";
import { localTransport } from "../../../lib/rpc/local-transport.ts";
import { transcriptStreamOf } from "../../../lib/streams/transcript-stream.ts";
import type { RunningTaskIO } from "../../../services/taskio/taskio.ts";
import { transcriptStore } from "../../../services/taskio/transcript-store.ts";
import { aCaller } from "../../support/a-caller.ts";
import { until } from "../../support/until.ts";
import { FakeWriter } from "./fake-writer.ts";
import { brokerKinds, log, TaskIOWorld } from "./taskio-world.ts";

describe.each(brokerKinds)("transcripts of deleted runs, with the %s broker", (kind) => {
  let world: TaskIOWorld;
  let db: Database;
  let running: RunningTaskIO;
  const stack = new AsyncDisposableStack();

  beforeAll(async () => {
    world = stack.use(await TaskIOWorld.open(kind));
    db = stack.use(new Database(world.databaseUrl));
    running = await world.start({ scanMs: 1_000 });
  });
  afterAll(async () => await stack.disposeAsync());

  const client = () =>
    createClient(
      TranscriptService,
      localTransport(running, {
        log,
        verify: async () => aCaller({ clientId: "scheduler", audience: "internal" }),
        token: async () => "token",
      }),
    );

  async function removed(...runIds: string[]): Promise<number> {
    for (let calls = 1; ; calls++) {
      const { done } = await client().deleteTranscripts({ runIds });
      if (done) return calls;
    }
  }

  /** How many rows there are of a run, or of a task. */
  async function rowsOf(id: string): Promise<number> {
    const [row] = await db.query<{ count: number }>(sql`
      select (
        (select count(*) from taskio.transcript where task_id like ${`${id}%`})
        + (select count(*) from taskio.transcript_entry where task_id like ${`${id}%`})
      )::int as count
    `);
    return row?.count ?? 0;
  }

  test("are removed whole, of every task of the run and of no other, however many calls it takes", async () => {
    const store = transcriptStore(db);
    const [runId, other] = [randomUUID(), randomUUID()];
    const chunk = (taskId: string, count: number) => ({
      taskId,
      after: { attempt: 0, seq: 0 },
      entries: Array.from({ length: count }, (_, index) => ({
        attempt: 1,
        seq: index + 1,
        body: Buffer.from("x"),
      })),
    });
    await store.append([
      chunk(runId, 1),
      chunk(`${runId}.A`, 2_500),
      chunk(`${runId}.map.12`, 3),
      chunk(other, 2),
      chunk(`${other}.A`, 1),
    ]);
    expect(await removed(runId)).toBe(2);
    expect(await rowsOf(runId)).toBe(0);
    expect(await rowsOf(other)).toBe(5);
    expect(await removed(runId, other)).toBe(1);
    expect(await rowsOf(other)).toBe(0);
  });

  test("take their streams with them, and what was in them comes into no archive", async () => {
    const taskId = world.scheduler.task();
    const writer = new FakeWriter(world.broker, taskId);
    await writer.write("one", "two");
    await writer.archived();
    world.scheduler.remove(taskId);
    await removed(taskId);
    expect(await world.broker.lastId(transcriptStreamOf(taskId))).toBe("0-0");
    expect(await rowsOf(taskId)).toBe(0);
  });

  test("let a worker come to its end that still holds what nobody will store", async () => {
    const taskId = world.scheduler.task();
    const writer = new FakeWriter(world.broker, taskId);
    await writer.write("one");
    await writer.archived();
    world.scheduler.remove(taskId);
    await removed(taskId);
    // The stream is gone; the worker puts back what is not archived, which begins in the middle.
    await writer.write("two");
    await writer.archived(30_000);
    await until(
      "the stream is dropped",
      async () => (await world.broker.lastId(transcriptStreamOf(taskId))) === "0-0",
      30_000,
    );
    expect(await rowsOf(taskId)).toBe(0);
  });

  test.each([
    ["no run", []],
    ["more runs than a call takes", Array.from({ length: 1_001 }, () => randomUUID())],
    ["what is no run", ["%"]],
  ])("are not removed by a request that names %s", async (_, runIds) => {
    await expect(client().deleteTranscripts({ runIds })).rejects.toThrow("run_ids");
  });
});
