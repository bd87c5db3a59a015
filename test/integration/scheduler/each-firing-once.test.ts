import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CatchUpPolicy, OverlapPolicy } from "../../../gen/antiphon/scheduler/v1/schedule_pb.ts";
import { delay } from "../../../lib/async/delay.ts";
import { sql } from "../../../lib/postgres/sql.ts";
import { until } from "../../support/until.ts";
import { valueOf, type World, world } from "./scheduler-world.ts";

const minuteMs = 60_000;
const { SKIP, QUEUE, CANCEL_OLD, ALLOW } = OverlapPolicy;
const policies = [SKIP, QUEUE, CANCEL_OLD, ALLOW];
const replicaProgram = fileURLToPath(new URL("schedule-replica.ts", import.meta.url));

/** How many times a replica is killed. */
const kills = 10;

/** How many firings of each repeating schedule were missed; enough for the replicas to be at work on them when they die. */
const missed = 300;

/** A scheduler in a process of its own. */
class ReplicaProcess {
  readonly incarnation = randomUUID();
  readonly #child: ChildProcess;
  readonly #conducting: Promise<unknown>;
  readonly #ended: Promise<unknown>;

  constructor(databaseUrl: string, formerIncarnation?: string) {
    const line = [
      replicaProgram,
      databaseUrl,
      this.incarnation,
      ...(formerIncarnation ? [formerIncarnation] : []),
    ];
    this.#child = spawn(process.execPath, line, { stdio: ["ignore", "pipe", "inherit"] });
    this.#ended = once(this.#child, "exit");
    this.#conducting = Promise.race([once(this.#child.stdout ?? this.#child, "data"), this.#ended]);
  }

  async conducts(): Promise<void> {
    await this.#conducting;
    if (this.#child.exitCode !== null) throw new Error(`a replica ended with ${this.#child.exitCode}`);
  }

  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }
}

/** Numbers from 0 to 1 that follow from a seed. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

describe("each firing", () => {
  let all: World;
  beforeAll(async () => {
    all = await world("memory");
  });
  afterAll(async () => await all[Symbol.asyncDispose]());

  /** Stores schedules while nobody conducts them: some for single times soon, some that have missed many. */
  async function stored() {
    const replica = await all.replica();
    const workflow = { name: "fired", dag: { nodes: [{ id: "A", handler: "noop" }] } };
    const common = {
      target: { kind: { case: "workflow", value: { workflow } } } as const,
      catchUp: CatchUpPolicy.ALL,
      catchUpWindow: { seconds: 24n * 3_600n },
      paused: true,
    };
    const single = new Map<string, Date>();
    for (let count = 0; count < 40; count += 1) {
      const at = new Date(Date.now() + 2_000 + count * 200);
      const timing = { kind: { case: "at", value: timestampFromDate(at) } } as const;
      const overlap = policies[count % policies.length] ?? ALLOW;
      const { schedule } = await replica.client.createSchedule({
        schedule: { ...common, name: "at", timing, overlap },
      });
      single.set(schedule?.scheduleId ?? "", at);
    }
    const repeated = new Map<string, OverlapPolicy>();
    for (const overlap of [...policies, ...policies, ...Array<OverlapPolicy>(6).fill(ALLOW)]) {
      const timing = { kind: { case: "cron", value: "* * * * *" } } as const;
      const { schedule } = await replica.client.createSchedule({
        schedule: { ...common, name: "cron", timing, overlap },
      });
      repeated.set(schedule?.scheduleId ?? "", overlap);
    }
    await replica[Symbol.asyncDispose]();
    const [first] = await all.db.query<{ next_at: Date }>(sql`
      update scheduler.schedule
      set paused = false, next_at = case
        when name = 'cron' then date_trunc('minute', now()) - ${missed}::int * interval '1 minute'
        else next_at
      end
      returning date_trunc('minute', now()) - ${missed}::int * interval '1 minute' as next_at
    `);
    return { single, repeated, from: first?.next_at ?? new Date(0) };
  }

  /** The nominal times of the runs of each schedule, in order. */
  async function startedTimes(): Promise<Map<string, number[]>> {
    const rows = await all.db.query<{ schedule_id: string; payload: Uint8Array }>(sql`
      select run.schedule_id, event.payload
      from scheduler.run
      join scheduler.run_event as event using (run_id)
      where event.seq = 1
    `);
    const times = rows.map(({ schedule_id: scheduleId, payload }) => {
      return { scheduleId, at: Date.parse((valueOf(payload) as { scheduledAt: string }).scheduledAt) };
    });
    const bySchedule = Map.groupBy(times, ({ scheduleId }) => scheduleId);
    return new Map([...bySchedule].map(([id, own]) => [id, own.map(({ at }) => at).sort((a, b) => a - b)]));
  }

  async function waitingTimes(scheduleId: string): Promise<number[]> {
    const [row] = await all.db.query<{ waiting_firings: Date[] }>(sql`
      select waiting_firings from scheduler.schedule where schedule_id = ${scheduleId}::uuid
    `);
    return (row?.waiting_firings ?? []).map((at) => at.getTime());
  }

  async function liveRuns(scheduleId: string): Promise<number | undefined> {
    const [row] = await all.db.query<{ count: number }>(sql`
      select count(*)::int as count
      from scheduler.run
      where schedule_id = ${scheduleId}::uuid and ended_at is null
    `);
    return row?.count;
  }

  test("happens once although replicas die at any moment, side by side", { timeout: 300_000 }, async () => {
    const seed = Math.floor(Math.random() * 2 ** 32);
    const random = randomOf(seed);
    const { single, repeated, from } = await stored();
    const living = [new ReplicaProcess(all.databaseUrl), new ReplicaProcess(all.databaseUrl)];
    try {
      for (let count = 0; count < kills; count += 1) {
        await Promise.all(living.map(async (each) => await each.conducts()));
        await delay(random() * 300);
        const victim = random() < 0.5 ? living.shift() : living.pop();
        await victim?.kill();
        living.push(new ReplicaProcess(all.databaseUrl, victim?.incarnation));
      }
      await until(
        "everything is decided about and carried out",
        async () => {
          const rows = await all.db.query(sql`
            select schedule_id
            from scheduler.schedule
            where due_at <= now()
              or (name = 'at' and next_at is not null)
            limit 1
          `);
          return rows.length === 0;
        },
        120_000,
      );
      for (const [scheduleId, overlap] of repeated) {
        if (overlap !== CANCEL_OLD) continue;
        await until(
          `one is under way, and no other (seed ${seed})`,
          async () => (await liveRuns(scheduleId)) === 1,
          60_000,
        );
      }
    } finally {
      await Promise.all(living.map(async (each) => await each.kill()));
    }
    const started = await startedTimes();
    for (const [scheduleId, at] of single) {
      expect(started.get(scheduleId), `seed ${seed}`).toEqual([at.getTime()]);
    }
    const minutes = (count: number, first = 0) =>
      Array.from({ length: count }, (_, index) => from.getTime() + (first + index) * minuteMs);
    for (const [scheduleId, overlap] of repeated) {
      const times = started.get(scheduleId) ?? [];
      const waiting = await waitingTimes(scheduleId);
      if (overlap === ALLOW) {
        expect(times.length).toBeGreaterThan(missed);
        expect(times, `seed ${seed}`).toEqual(minutes(times.length));
      }
      // The first run never ends: nobody carries it out.
      if (overlap === SKIP) expect(times, `seed ${seed}`).toEqual(minutes(1));
      if (overlap === QUEUE) {
        expect(times, `seed ${seed}`).toEqual(minutes(1));
        expect(waiting, `seed ${seed}`).toEqual(minutes(100, 1));
      }
      if (overlap === CANCEL_OLD) {
        expect(times, `seed ${seed}`).toEqual([...new Set(times)]);
        expect(times[0]).toBeGreaterThanOrEqual(from.getTime() + missed * minuteMs);
      }
    }
  });
});
