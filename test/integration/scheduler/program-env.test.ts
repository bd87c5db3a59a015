/* What programs find in their environment is for them alone: it is kept sealed, and answered to the holder of their lease. */
import { randomUUID } from "node:crypto";
import { toJsonString } from "@bufbuild/protobuf";
import { type Client, Code, createClient } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ScheduleSchema } from "../../../gen/antiphon/scheduler/v1/schedule_pb.ts";
import {
  ListRunEventsResponseSchema,
  SchedulerService,
} from "../../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { TaskSchema } from "../../../gen/antiphon/scheduler/v1/task_pb.ts";
import { sql } from "../../../lib/postgres/sql.ts";
import type { FakeWorker } from "../../support/fake-worker.ts";
import { tablesThatHold } from "../../support/search-database.ts";
import { until } from "../../support/until.ts";
import { type Replica, type World, world } from "./scheduler-world.ts";

let all: World;
let replica: Replica;
let client: Client<typeof SchedulerService>;
let worker: FakeWorker;

beforeAll(async () => {
  all = await world("memory");
  replica = await all.replica();
  client = replica.client;
  worker = replica.fakeWorker();
});
afterAll(async () => await all[Symbol.asyncDispose]());

const aSecret = () => `secret-${randomUUID()}`;

const withEnv = (env: Record<string, string>) => ({ fileName: "a.py", content: Buffer.from("print()"), env });

/** Takes a task and answers what its worker is given to run. */
async function programOf(taskId: string) {
  const taken = await worker.takeTask(taskId, 1, "program");
  await worker.report(taken, { case: "leaseRequested", value: { sealKey: new Uint8Array(32) } });
  const { runId, attempt } = taken.assignment;
  const held = { runId, taskId, attempt, leaseToken: taken.leaseToken };
  const { program } = await until("the lease is committed", async () => {
    return await worker.client.fetchProgram(held).catch(() => undefined);
  });
  return { program, taken, held };
}

async function submitted(env: Record<string, string>, requestId = "") {
  const { task } = await client.submitTask({ program: withEnv(env), requestId });
  return task?.taskId ?? "";
}

test("the environment of a program is sealed where it is stored, and answered to the holder of its lease alone", async () => {
  const secret = aSecret();
  const taskId = await submitted({ TOKEN: secret, LINES: "one\ntwo" });
  expect(await tablesThatHold(all.db, "print()")).toEqual(["scheduler.program"]);
  expect(await tablesThatHold(all.db, secret)).toEqual([]);
  const { program, held } = await programOf(taskId);
  expect(program?.env).toEqual({ TOKEN: secret, LINES: "one\ntwo" });
  await expect(worker.client.fetchProgram({ ...held, leaseToken: "another's" })).rejects.toMatchObject({
    code: Code.FailedPrecondition,
  });
  const { task } = await client.getTask({ taskId });
  const events = await client.listRunEvents({ runId: taskId });
  const answered = [
    task === undefined ? "" : toJsonString(TaskSchema, task),
    ...events.events.map(({ details }) => Buffer.from(details).toString()),
    toJsonString(ListRunEventsResponseSchema, events),
  ].join();
  expect(answered).not.toContain(secret);
  expect(answered).not.toContain("TOKEN");
});

test("a request that comes again with another environment is the same request, and the first one counts", async () => {
  const first = aSecret();
  const requestId = randomUUID();
  const taskId = await submitted({ TOKEN: first }, requestId);
  expect(await submitted({ TOKEN: aSecret() }, requestId)).toBe(taskId);
  expect((await programOf(taskId)).program?.env).toEqual({ TOKEN: first });
});

test("a repetition keeps the environment, sealed for itself", async () => {
  const secret = aSecret();
  const taskId = await submitted({ TOKEN: secret });
  const { taken } = await programOf(taskId);
  await worker.complete(taken, null);
  const { run } = await client.rerunRun({ runId: taskId });
  expect((await programOf(run?.runId ?? "")).program?.env).toEqual({ TOKEN: secret });
  const rows = await all.db.query<{ sealed_env: Buffer }>(sql`
    select sealed_env from scheduler.program where run_id in (${taskId}::uuid, ${run?.runId}::uuid)
  `);
  expect(new Set(rows.map(({ sealed_env }) => sealed_env.toString("hex"))).size).toBe(2);
});

test("an environment goes with its run", async () => {
  const taskId = await submitted({ TOKEN: aSecret() });
  const { taken } = await programOf(taskId);
  await worker.complete(taken, null);
  await until("the run has ended", async () => (await client.getRun({ runId: taskId })).run?.endedAt);
  const kept = async () =>
    await all.db.query(sql`select from scheduler.program where run_id = ${taskId}::uuid`);
  expect(await kept()).toHaveLength(1);
  await client.deleteRun({ runId: taskId });
  await until("the program is gone", async () => (await kept()).length === 0);
});

test("the runs of a schedule have its environment, which is never answered, until another target takes its place", async () => {
  const secret = aSecret();
  const target = (env: Record<string, string>) => ({
    kind: { case: "task", value: { program: withEnv(env) } } as const,
  });
  const { schedule } = await client.createSchedule({
    schedule: {
      name: "yearly",
      timing: { kind: { case: "cron", value: "0 0 1 1 *" } },
      target: target({ TOKEN: secret }),
    },
  });
  const scheduleId = schedule?.scheduleId ?? "";
  const envOfRun = async () => {
    const { run } = await client.triggerSchedule({ scheduleId });
    return (await programOf(run?.runId ?? "")).program?.env;
  };
  expect(await tablesThatHold(all.db, secret)).toEqual([]);
  expect(await envOfRun()).toEqual({ TOKEN: secret });

  const renamed = { scheduleId, name: "every year" };
  await client.updateSchedule({ schedule: renamed, updateMask: { paths: ["name"] } });
  expect(await envOfRun()).toEqual({ TOKEN: secret });

  const { schedule: read } = await client.getSchedule({ scheduleId });
  const { schedules } = await client.listSchedules({});
  for (const shown of [schedule, read, ...schedules]) {
    if (shown !== undefined) expect(toJsonString(ScheduleSchema, shown)).not.toContain("TOKEN");
  }

  const other = aSecret();
  const retarget = async (env: Record<string, string>) =>
    await client.updateSchedule({
      schedule: { scheduleId, target: target(env) },
      updateMask: { paths: ["target"] },
    });
  await retarget({ OTHER: other });
  expect(await envOfRun()).toEqual({ OTHER: other });
  await retarget({});
  expect(await envOfRun()).toEqual({});
  expect(await tablesThatHold(all.db, other)).toEqual([]);
});

test("names that a program can not have are refused with their path, and the value is not told", async () => {
  const secret = aSecret();
  const refusal = await client
    .submitTask({ program: withEnv({ LD_PRELOAD: secret }) })
    .catch((error: unknown) => error);
  expect(refusal).toMatchObject({ code: Code.InvalidArgument });
  expect(String(refusal)).toContain('program.env["LD_PRELOAD"]');
  expect(JSON.stringify(refusal)).not.toContain(secret);
});

test("another client finds nothing of a program", async () => {
  const taskId = await submitted({ TOKEN: aSecret() });
  const bob = createClient(SchedulerService, replica.as("tasks-api/bob"));
  await expect(bob.getTask({ taskId })).rejects.toMatchObject({ code: Code.NotFound });
  await expect(bob.rerunRun({ runId: taskId })).rejects.toMatchObject({ code: Code.NotFound });
});
