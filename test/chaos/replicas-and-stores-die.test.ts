/*
 * Two schedulers and two workers under load, while they, Redis and Postgres are
 * killed, emptied, restarted, or stopped for longer than a lease. Whatever
 * happens: every run that was accepted ends, as it should; no node ends twice;
 * nothing stays queued; history adds up to what is answered; and nothing is left
 * in the broker.
 *
 * Who is killed, and when, follows from a seed, which is printed; CHAOS_SEED=…
 * draws the same again.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { delay } from "../../lib/async/delay.ts";
import { sql } from "../../lib/postgres/sql.ts";
import { Dice } from "../support/dice.ts";
import { until } from "../support/until.ts";
import { type Cluster, leaseMs, replicas, startCluster, workers } from "./cluster.ts";
import { Load } from "./load.ts";

const seed = Number(process.env["CHAOS_SEED"] ?? Math.floor(Math.random() * 2 ** 32));

/** How long a fault may take to be noticed on a slow machine. */
const noticedMs = 90_000;

describe("two replicas, two workers, Redis and Postgres", () => {
  const dice = new Dice(seed);
  let cluster: Cluster;
  let load: Load;

  beforeAll(async () => {
    process.stdout.write(`chaos: CHAOS_SEED=${seed}\n`);
    cluster = await startCluster();
  }, 180_000);
  afterAll(async () => await cluster[Symbol.asyncDispose]());

  beforeEach(async () => {
    load = new Load(cluster, dice);
    await load.prepare();
  });

  /** Waits until everything has settled, and answers what is not as it should be. */
  async function flawsInTheEnd(): Promise<string[]> {
    await load.ended();
    await cluster.isWhole();
    await load.leftNothing();
    return await load.flaws();
  }

  test("schedulers and workers are killed at random, and started again", async () => {
    const loading = load.start(200);
    const programs = load.start(4, "program");
    for (let round = 0; round < 6; round += 1) {
      await delay(dice.between(200, 1_200));
      const victim = dice.pick([...replicas, ...workers]);
      await cluster.kill(victim);
      await delay(dice.between(0, 400));
      cluster.start(victim);
    }
    await Promise.all([loading, programs]);
    expect(await flawsInTheEnd()).toEqual([]);
  });

  test("Redis is emptied, and then killed and started without what it held", async () => {
    const loading = Promise.all([load.start(120), load.start(2, "program"), load.start(8, "long")]);
    await delay(dice.between(200, 800));
    await cluster.flushRedis();
    await delay(dice.between(500, 1_500));
    await cluster.restartRedis();
    await loading;
    expect(await flawsInTheEnd()).toEqual([]);
  });

  test("Postgres is shut down fast and started again, and then killed", async () => {
    const loading = Promise.all([load.start(120), load.start(2, "program"), load.start(8, "long")]);
    await delay(dice.between(200, 800));
    await cluster.restartPostgres("fast", dice.between(0, 1_500));
    await delay(dice.between(500, 1_500));
    await cluster.restartPostgres("kill", dice.between(0, 1_500));
    await loading;
    expect(await flawsInTheEnd()).toEqual([]);
  });

  test("an owner is stopped past its lease, its partitions are taken, and it goes on", async () => {
    const zombie = dice.pick(replicas);
    const loading = Promise.all([load.start(60), load.start(8, "long")]);
    await delay(dice.between(200, 800));
    cluster.stop(zombie);
    try {
      await until("the other owns everything", async () => (await cluster.shares())[0] === 64, noticedMs);
      await load.start(20);
    } finally {
      cluster.goOn(zombie);
    }
    await loading;
    expect(await flawsInTheEnd()).toEqual([]);
  });

  test("a worker is stopped past its lease, its tasks go to the other, and what it says then counts for nothing", async () => {
    const zombie = dice.pick(workers);
    const runIds = await load.start(24, "long");
    const holds = async () => {
      const rows = await cluster.db.query(sql`
        select from scheduler.run_event
        where run_id = any (${runIds}::uuid[])
          and type = 'task_leased'
          and position(${zombie} in convert_from(payload, 'UTF8')) > 0
      `);
      return rows.length > 0;
    };
    await until("it holds some of them", holds, noticedMs);
    cluster.stop(zombie);
    const secondAttempts = async () => {
      const rows = await cluster.db.query<{ run_id: string }>(sql`
        select run_id from scheduler.run_event
        where run_id = any (${runIds}::uuid[]) and type = 'task_ended' and attempt = 2
      `);
      return rows.map(({ run_id: runId }) => runId);
    };
    try {
      await load.start(20);
      await until(
        "others ended what it held",
        async () => (await secondAttempts()).length > 0,
        leaseMs + noticedMs,
      );
    } finally {
      cluster.goOn(zombie);
    }
    expect(await flawsInTheEnd()).toEqual([]);
    const { tasks = [] } =
      (await cluster.schedulers[0]?.getRun({ runId: (await secondAttempts())[0] ?? "" }))?.run ?? {};
    expect(tasks.find(({ nodeId }) => nodeId === "A")).toMatchObject({ attempt: 2 });
    expect(tasks.find(({ nodeId }) => nodeId === "A")?.workerId).not.toBe(zombie);
  });
});
