import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RunState } from "../../../gen/antiphon/scheduler/v1/run_pb.ts";
import { partitionOf } from "../../../lib/ids/partition.ts";
import { sql } from "../../../lib/postgres/sql.ts";
import { until } from "../../support/until.ts";
import { bytes, type Replica, type World, world } from "./scheduler-world.ts";

const dag = {
  nodes: ["A", "B"].map((id, index) => ({
    id,
    handler: "noop",
    dependencies: index === 0 ? [] : ["A"],
    config: bytes({}),
  })),
};

describe("partitions and their owners", () => {
  let all: World;
  let first: Replica;
  let second: Replica;
  let workflowId: string;

  const ownersOf = async () => {
    const rows = await all.db.query<{ owner: string; count: number }>(sql`
      select owner_incarnation::text as owner, count(*)::int as count from scheduler.partition group by owner_incarnation
    `);
    return new Map(rows.map(({ owner, count }) => [owner, count]));
  };

  beforeAll(async () => {
    all = await world("memory");
    first = await all.replica();
    second = await all.replica();
    workflowId = (await first.client.createWorkflow({ name: "pair", dag })).workflow?.workflowId ?? "";
    await until("each replica owns half", async () => {
      const owners = await ownersOf();
      return owners.get(first.incarnation) === 32 && owners.get(second.incarnation) === 32;
    });
  });
  afterAll(async () => await all[Symbol.asyncDispose]());

  /** Carries out whatever is published until these runs have ended. */
  async function workUntilEnded(replica: Replica, runIds: readonly string[]): Promise<void> {
    const worker = replica.fakeWorker();
    await until(
      "all runs have ended",
      async () => {
        await worker.take();
        for (const taken of worker.taken.values()) await worker.complete(taken, {}, 1);
        const { runs } = await replica.client.listRuns({ states: [RunState.RUNNING], pageSize: 1000 });
        return !runs.some(({ runId }) => runIds.includes(runId));
      },
      30_000,
    );
  }

  const startMany = async (replica: Replica, count: number) => {
    const started = await Promise.all(
      Array.from({ length: count }, async () => await replica.client.startRun({ workflowId })),
    );
    return started.map(({ run }) => run?.runId ?? "");
  };

  test("runs are started, watched and cancelled through any replica", async () => {
    const runIds = await startMany(first, 10);
    expect(new Set(runIds.map(partitionOf)).size).toBeGreaterThan(1);
    const watched: string[] = [];
    const watching = (async () => {
      for await (const { runId } of second.client.watchRun({ runs: runIds.map((id) => ({ runId: id })) })) {
        watched.push(runId);
      }
    })();
    await until("every run has been seen as it stands", () => watched.length === runIds.length);
    const [cancelled = "", ...rest] = runIds;
    await second.client.cancelRun({ runId: cancelled });
    await workUntilEnded(second, rest);
    await watching;
    for (const runId of rest) expect(watched.filter((seen) => seen === runId)).toHaveLength(3);
    expect((await first.client.getRun({ runId: cancelled })).run?.state).toBe(RunState.CANCELLED);
  });

  test("an owner whose partitions were taken behind its back commits nothing more to them", async () => {
    const runIds = await startMany(first, 8);
    // What a replica does that believes the owners dead; nobody told them.
    await all.db.query(sql`update scheduler.partition set epoch = epoch + 1`);
    await workUntilEnded(first, runIds);
    for (const runId of runIds) {
      const { events } = await first.client.listRunEvents({ runId });
      expect(events.map(({ seq }) => seq)).toEqual([1, 2, 3]);
    }
  });

  test("every node completes once although connections to Postgres break again and again", async () => {
    const runIds = await startMany(first, 30);
    const breaking = new AbortController();
    const breaker = (async () => {
      while (!breaking.signal.aborted) {
        await all.db
          .query(sql`
            select pg_terminate_backend(pid) from pg_stat_activity
            where datname = current_database() and pid <> pg_backend_pid()
          `)
          .catch(() => undefined);
        await new Promise((resolve) => setTimeout(resolve, 40));
      }
    })();
    const started = await Promise.allSettled(
      Array.from({ length: 30 }, async (_, index) => {
        const requestId = `broken-${index}`;
        return await until(
          `run ${index} is accepted`,
          async () => {
            try {
              return (await first.client.startRun({ workflowId, requestId })).run?.runId;
            } catch {
              return undefined;
            }
          },
          30_000,
        );
      }),
    );
    breaking.abort();
    await breaker;
    const accepted = started.flatMap((one) => (one.status === "fulfilled" ? one.value : []));
    expect(new Set(accepted).size).toBe(30);
    await workUntilEnded(first, [...runIds, ...accepted]);
    for (const runId of [...runIds, ...accepted]) {
      const { events } = await first.client.listRunEvents({ runId });
      const ends = events.filter(({ type }) => type === "task_ended").map(({ nodeId }) => nodeId);
      expect(ends.toSorted()).toEqual(["A", "B"]);
    }
  });

  test("a replica that stops leaves its runs to the other", async () => {
    const runIds = await startMany(second, 10);
    await second[Symbol.asyncDispose]();
    await until("the first owns everything", async () => (await ownersOf()).get(first.incarnation) === 64);
    await workUntilEnded(first, runIds);
    for (const runId of runIds) {
      expect((await first.client.getRun({ runId })).run?.state).toBe(RunState.COMPLETED);
    }
  });

  // The last one: the partition is left alone for a minute afterwards.
  test("a history that this code can not fold holds up its own partition and no other", async () => {
    const [broken = "", ...others] = await startMany(first, 12);
    await all.db.query(sql`
      insert into scheduler.run_event (run_id, seq, type, at, payload)
      values (${broken}::uuid, 2, 'of_newer_code', now(), '{}')
    `);
    const elsewhere = others.filter((runId) => partitionOf(runId) !== partitionOf(broken));
    await all.db.query(sql`update scheduler.partition set epoch = epoch + 1`);
    await workUntilEnded(first, elsewhere);
    await all.db.query(
      sql`delete from scheduler.run_event where run_id = ${broken}::uuid and type = 'of_newer_code'`,
    );
    expect(elsewhere.length).toBeGreaterThan(0);
  });
});
