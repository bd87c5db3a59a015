import { randomUUID } from "node:crypto";
import { Code, createClient } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RunState } from "../../../gen/antiphon/scheduler/v1/run_pb.ts";
import { SchedulerService } from "../../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { sql } from "../../../lib/postgres/sql.ts";
import { until } from "../../support/until.ts";
import { bytes, type Replica, type World, world } from "./scheduler-world.ts";

const program = { fileName: "a.py", content: new TextEncoder().encode("print()") };

describe("a run that is deleted while it goes on", () => {
  let all: World;
  let replica: Replica;

  beforeAll(async () => {
    all = await world("memory");
    replica = await all.replica();
  });
  afterAll(async () => await all[Symbol.asyncDispose]());

  async function submit(requestId = ""): Promise<string> {
    const { task } = await replica.client.submitTask({ program, requestId });
    return task?.taskId ?? "";
  }

  /** A task whose program was begun by a worker. */
  async function begun() {
    const runId = await submit();
    const worker = replica.fakeWorker();
    const taken = await worker.takeTask(runId, 1, "program");
    await worker.report(taken, { case: "leaseRequested", value: { sealKey: new Uint8Array(32) } });
    await worker.report(taken, { case: "started", value: {} });
    await until("it is granted", async () =>
      (await worker.controls()).some(({ order }) => order.case === "granted"),
    );
    /** Waits as `until` does, while the worker is heard of. */
    const held = async (what: string, holds: () => Promise<boolean>) =>
      await until(what, async () => {
        await worker.heartbeat([taken]);
        return await holds();
      });
    const isToldToEnd = async () =>
      (await worker.controls()).some(({ order }) => order.case === "cancelRequested");
    const ends = async () =>
      await worker.report(taken, { case: "ended", value: { outcome: { case: "cancelled", value: {} } } });
    return { runId, held, isToldToEnd, ends };
  }

  async function rowsOf(runId: string): Promise<number> {
    const [row] = await all.db.query<{ count: number }>(sql`
      select (
        (select count(*) from scheduler.run_event where run_id = ${runId}::uuid)
        + (select count(*) from scheduler.program where run_id = ${runId}::uuid)
        + (select count(*) from scheduler.run where run_id = ${runId}::uuid and removed_at is null)
      )::int as count
    `);
    return row?.count ?? -1;
  }

  const removed = async (runId: string) =>
    await until("everything is removed", async () => (await rowsOf(runId)) === 0, 30_000);

  const notFound = { code: Code.NotFound };

  test("is found no more, is cancelled, and goes when its program has ended", async () => {
    const { runId, isToldToEnd, ends } = await begun();
    await expect(replica.client.deleteRun({ runId })).rejects.toMatchObject({
      code: Code.FailedPrecondition,
    });
    await replica.client.deleteRun({ runId, force: true });
    await expect(replica.client.getTask({ taskId: runId })).rejects.toMatchObject(notFound);
    await expect(replica.client.cancelTask({ taskId: runId })).rejects.toMatchObject(notFound);
    await expect(replica.client.deleteRun({ runId, force: true })).rejects.toMatchObject(notFound);
    const { tasks } = await replica.client.listTasks({});
    expect(tasks.map(({ taskId }) => taskId)).not.toContain(runId);
    expect((await replica.taskStates.getTaskStates({ taskIds: [runId] })).tasks).toEqual([]);
    await until("its worker is told to end it", isToldToEnd);
    expect(await rowsOf(runId)).toBeGreaterThan(2);
    await ends();
    await removed(runId);
    expect(all.transcriptsDeleted).toContain(runId);
  });

  test("was deleted by this request when that is repeated, and is not begun by a repeat of its start", async () => {
    const start = randomUUID();
    const runId = await submit(start);
    const request = { runId, force: true, requestId: randomUUID() };
    await replica.client.deleteRun(request);
    await replica.client.deleteRun(request);
    await expect(submit(start)).rejects.toMatchObject(notFound);
    const differs = { ...request, force: false };
    await expect(replica.client.deleteRun(differs)).rejects.toMatchObject({ code: Code.AlreadyExists });
    await removed(runId);
    await replica.client.deleteRun(request);
    await expect(submit(start)).rejects.toMatchObject(notFound);
  });

  test("is cancelled also when whoever hid it died before that", async () => {
    const [queued, { runId, held, isToldToEnd, ends }] = [await submit(), await begun()];
    await all.db.query(sql`
      update scheduler.run set deleted_at = now() where run_id = any (${[queued, runId]}::uuid[])
    `);
    await held("its worker is told to end it", isToldToEnd);
    await removed(queued);
    await ends();
    await removed(runId);
    expect(all.transcriptsDeleted).toContain(runId);
  });

  test("is brought to its end by whoever owns it next", async () => {
    const { runId, held, ends } = await begun();
    const queued = await submit();
    await all.db.query(sql`
      update scheduler.run set deleted_at = now() where run_id = any (${[queued, runId]}::uuid[])
    `);
    await all.db.query(sql`update scheduler.partition set owner_incarnation = null`);
    await held("what no worker held is removed", async () => (await rowsOf(queued)) === 0);
    expect(await rowsOf(runId)).toBeGreaterThan(2);
    await ends();
    await removed(runId);
  });

  test("takes the runs with it that it started, and does not go before its parent", async () => {
    const child = { nodes: [{ id: "wait", handler: "wait_for_signal", config: bytes({ signal: "go" }) }] };
    const name = `child-${randomUUID()}`;
    await replica.client.createWorkflow({ name, dag: child });
    const dag = { nodes: [{ id: "sub", handler: "workflow", config: bytes({ workflow_name: name }) }] };
    const { run } = await replica.client.startRun({ workflow: { name: "parent", dag } });
    const parentRunId = run?.runId ?? "";
    const childRunId = await until("the child runs", async () => {
      const { runs } = await replica.client.listRuns({ parentRunId, states: [RunState.RUNNING] });
      return runs[0]?.runId;
    });
    const early = replica.client.deleteRun({ runId: childRunId, force: true });
    await expect(early).rejects.toMatchObject({ code: Code.FailedPrecondition });
    await replica.client.deleteRun({ runId: parentRunId, force: true });
    for (const runId of [parentRunId, childRunId]) {
      await expect(replica.client.getRun({ runId })).rejects.toMatchObject(notFound);
      await removed(runId);
    }
  });

  test("is its caller's, and makes room for another at once", async () => {
    const bob = createClient(SchedulerService, replica.as("tasks-api/bob"));
    const runId = await submit();
    await expect(bob.deleteRun({ runId, force: true })).rejects.toMatchObject(notFound);
    const { task } = await bob.submitTask({ program, maxActive: 1, dedupeKey: "k" });
    const admin = createClient(SchedulerService, replica.as("admin-api/root"));
    await admin.deleteRun({ runId: task?.taskId ?? "", force: true });
    await bob.submitTask({ program, maxActive: 1, dedupeKey: "k" });
  });
});
