import { randomUUID } from "node:crypto";
import { createClient } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RunState } from "../../../gen/antiphon/scheduler/v1/run_pb.ts";
import { SchedulerService } from "../../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { derivedUuid } from "../../../lib/ids/derived-uuid.ts";
import { sql } from "../../../lib/postgres/sql.ts";
import { artifactKey } from "../../../services/scheduler/artifact-key.ts";
import { until } from "../../support/until.ts";
import { bytes, type Replica, valueOf, type World, world } from "./scheduler-world.ts";

const noop = (...ids: string[]) => ({
  nodes: ids.map((id) => ({ id, handler: "noop", dependencies: [], config: bytes({}) })),
});

async function* once(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}

async function textOf(all: World, key: string): Promise<string | undefined> {
  const content = await all.storage.get(key);
  if (content === undefined) return undefined;
  let text = "";
  for await (const chunk of content) text += Buffer.from(chunk).toString();
  return text;
}

describe("a deleted run", () => {
  let all: World;
  let replica: Replica;

  beforeAll(async () => {
    all = await world("memory");
    replica = await all.replica();
  });
  afterAll(async () => await all[Symbol.asyncDispose]());

  async function start(requestId = randomUUID()): Promise<string> {
    const { workflow } = await replica.client.createWorkflow({ name: "test", dag: noop("A") });
    const { run } = await replica.client.startRun({ workflowId: workflow?.workflowId ?? "", requestId });
    return run?.runId ?? "";
  }

  async function ended(requestId?: ReturnType<typeof randomUUID>): Promise<string> {
    const runId = await start(requestId);
    const worker = replica.fakeWorker();
    await worker.complete(await worker.takeTask(`${runId}.A`, 1));
    await until("the run has ended", async () => (await replica.client.getRun({ runId })).run?.endedAt);
    return runId;
  }

  /** Rows of the run, but for the one that makes its request known. */
  async function rowsOf(runId: string): Promise<number> {
    const [row] = await all.db.query<{ count: number }>(sql`
      select (
        (select count(*) from scheduler.run_event where run_id = ${runId}::uuid)
        + (select count(*) from scheduler.payload where run_id = ${runId}::uuid)
        + (select count(*) from scheduler.program where run_id = ${runId}::uuid)
        + (select count(*) from scheduler.run where run_id = ${runId}::uuid and removed_at is null)
      )::int as count
    `);
    return row?.count ?? -1;
  }

  const emptied = async (runId: string) =>
    await until("everything is removed", async () => (await rowsOf(runId)) === 0, 30_000);

  /** Lets a day go by for a run that is removed. */
  async function makeOld(runId: string): Promise<void> {
    await all.db.query(sql`
      update scheduler.run
      set
        created_at = created_at - interval '25 hours',
        ended_at = ended_at - interval '25 hours',
        removed_at = removed_at - interval '25 hours',
        forget_at = forget_at - interval '25 hours'
      where run_id = ${runId}::uuid
    `);
  }

  const isKnown = async (runId: string) =>
    (await all.db.query(sql`select from scheduler.run where run_id = ${runId}::uuid`)).length === 1;

  test("is found by nobody from the moment on, and by no list", async () => {
    const runId = await ended();
    await replica.client.deleteRun({ runId });
    const missing = expect.objectContaining({ rawMessage: "there is no such run" });
    await expect(replica.client.getRun({ runId })).rejects.toEqual(missing);
    await expect(replica.client.listTasks({ runId })).rejects.toEqual(missing);
    await expect(replica.client.listRunEvents({ runId })).rejects.toEqual(missing);
    await expect(replica.client.getRunResults({ runId })).rejects.toEqual(missing);
    await expect(replica.client.cancelRun({ runId })).rejects.toThrow("there is no such run");
    await expect(replica.client.deleteRun({ runId })).rejects.toEqual(missing);
    await expect(replica.client.getTask({ taskId: `${runId}.A` })).rejects.toThrow("there is no such task");
    await expect(async () => {
      for await (const _ of replica.client.watchRun({ runs: [{ runId }] }));
    }).rejects.toEqual(missing);
    const { runs } = await replica.client.listRuns({ includeChildren: true });
    expect(runs.map((run) => run.runId)).not.toContain(runId);
    expect((await replica.taskStates.getTaskStates({ taskIds: [`${runId}.A`] })).tasks).toEqual([]);
  });

  test("loses its history, outputs, files and transcripts, and no other run does", async () => {
    const [runId, other] = [await ended(), await ended()];
    const keyOf = (id: string) => artifactKey({ runId: id, nodeId: "A", attempt: 1, path: "a.txt" });
    for (const id of [runId, other]) {
      await all.storage.put(keyOf(id), once("text"));
      await all.db.query(sql`
        insert into scheduler.payload (run_id, digest, content) values (${id}::uuid, '\\x01', '\\x02')
      `);
    }
    await replica.client.deleteRun({ runId });
    await emptied(runId);
    expect(all.transcriptsDeleted.filter((id) => id === runId || id === other)).toEqual([runId]);
    expect(await textOf(all, keyOf(runId))).toBeUndefined();
    expect(await textOf(all, keyOf(other))).toBe("text");
    expect(await rowsOf(other)).toBe(4);
    expect((await replica.client.getRun({ runId: other })).run?.state).toBe(RunState.COMPLETED);
  });

  test("is not started again by a repeat of its request as long as that is known, and then is", async () => {
    const requestId = randomUUID();
    const runId = await ended(requestId);
    expect(runId).toBe(derivedUuid("run", "alice", requestId));
    await replica.client.deleteRun({ runId });
    await expect(start(requestId)).rejects.toThrow(`run ${runId} was deleted`);
    await emptied(runId);
    await expect(start(requestId)).rejects.toThrow(`run ${runId} was deleted`);
    expect(await isKnown(runId)).toBe(true);
    await makeOld(runId);
    await until("its row is removed", async () => !(await isKnown(runId)), 30_000);
    // Whoever still wrote when it was removed has its rest removed, too.
    expect(all.transcriptsDeleted.filter((id) => id === runId)).toEqual([runId, runId]);
    expect(await start(requestId)).toBe(runId);
  });

  test("was deleted by this request when that is repeated, and by no other with its id", async () => {
    const [runId, other] = [await ended(), await ended()];
    const requestId = randomUUID();
    await replica.client.deleteRun({ runId, requestId });
    await replica.client.deleteRun({ runId, requestId });
    await expect(replica.client.deleteRun({ runId: other, requestId })).rejects.toThrow(
      "was used by another",
    );
    await expect(replica.client.getRun({ runId: other })).resolves.toBeDefined();
  });

  test("had ended, and was its caller's", async () => {
    const live = await start();
    await expect(replica.client.deleteRun({ runId: live })).rejects.toThrow("has not ended");
    await replica.client.cancelRun({ runId: live });
    const mallory = createClient(SchedulerService, replica.as("tasks-api/mallory"));
    await expect(mallory.deleteRun({ runId: live })).rejects.toThrow("there is no such run");
    const admin = createClient(SchedulerService, replica.as("admin-api/root"));
    await admin.deleteRun({ runId: live });
    await expect(replica.client.getRun({ runId: live })).rejects.toThrow("there is no such run");
  });

  test("takes the runs with it that it started, and theirs, once all have ended", async () => {
    const [root, child, grandchild] = [await ended(), await ended(), await ended()];
    await all.db.query(sql`
      update scheduler.run set parent_run_id = ${root}::uuid where run_id = ${child}::uuid
    `);
    await all.db.query(sql`
      update scheduler.run
      set parent_run_id = ${child}::uuid, ended_at = null
      where run_id = ${grandchild}::uuid
    `);
    await expect(replica.client.deleteRun({ runId: root })).rejects.toThrow("has not ended");
    await all.db.query(sql`update scheduler.run set ended_at = now() where run_id = ${grandchild}::uuid`);
    await all.db.query(sql`update scheduler.run set ended_at = null where run_id = ${root}::uuid`);
    await expect(replica.client.deleteRun({ runId: child })).rejects.toThrow("its parent");
    await all.db.query(sql`update scheduler.run set ended_at = now() where run_id = ${root}::uuid`);
    await replica.client.deleteRun({ runId: root });
    for (const runId of [root, child, grandchild]) {
      await expect(replica.client.getRun({ runId })).rejects.toThrow("there is no such run");
      await emptied(runId);
    }
  });

  test("takes a run with it that it started too late to be hidden with it", async () => {
    const [root, late] = [await ended(), await ended()];
    await replica.client.deleteRun({ runId: root });
    await emptied(root);
    await all.db.query(sql`
      update scheduler.run set parent_run_id = ${root}::uuid where run_id = ${late}::uuid
    `);
    await makeOld(root);
    await emptied(late);
    await until("the row of its parent is removed", async () => !(await isKnown(root)), 30_000);
    await expect(replica.client.getRun({ runId: late })).rejects.toThrow("there is no such run");
  });

  test("leaves a repetition what that kept of it: outputs and files", async () => {
    const dag = {
      nodes: [
        { id: "A", handler: "noop", dependencies: [], config: bytes({}) },
        { id: "B", handler: "noop", dependencies: ["A"], config: bytes({}) },
      ],
    };
    const { workflow } = await replica.client.createWorkflow({ name: "two", dag });
    const { run } = await replica.client.startRun({ workflowId: workflow?.workflowId ?? "" });
    const runId = run?.runId ?? "";
    const worker = replica.fakeWorker();
    const taken = await worker.takeTask(`${runId}.A`, 1);
    await all.storage.put(artifactKey({ runId, nodeId: "A", attempt: 1, path: "a.txt" }), once("text"));
    const outcome = { case: "output", value: bytes("made by A") } as const;
    await worker.report(taken, { case: "ended", value: { outcome, files: [{ path: "a.txt", size: 4n }] } });
    await worker.takeTask(`${runId}.B`, 1);
    await replica.client.cancelRun({ runId });
    await until("the run has ended", async () => (await replica.client.getRun({ runId })).run?.endedAt);
    const { run: repeated } = await replica.client.rerunRun({ runId, fromFailed: true });
    await replica.client.deleteRun({ runId });
    await emptied(runId);
    const taskId = `${repeated?.runId}.A`;
    const { task } = await replica.client.getTask({ taskId });
    expect(valueOf(task?.output)).toBe("made by A");
    const chunks: Uint8Array[] = [];
    for await (const { chunk } of replica.client.downloadResults({ taskId })) chunks.push(chunk);
    expect(Buffer.concat(chunks).toString("latin1")).toContain("a.txt");
  });

  test("tells its late worker that its lease is lost, as a run that never was", async () => {
    const runId = await start();
    const worker = replica.fakeWorker();
    const taken = await worker.takeTask(`${runId}.A`, 1);
    await replica.client.cancelRun({ runId });
    await replica.client.deleteRun({ runId });
    await worker.complete(taken);
    const told = await until("the worker is told", async () =>
      (await worker.controls()).find(({ order }) => order.case === "leaseLost"),
    );
    expect(told.taskId).toBe(`${runId}.A`);
  });
});

describe("a run that ended long ago", () => {
  test("is kept as long as a run goes on that it started", async () => {
    await using all = await world("memory", { retentionMs: 3_600_000 });
    await using replica = await all.replica();
    const { workflow } = await replica.client.createWorkflow({ name: "test", dag: noop("A") });
    const started = Array.from({ length: 3 }, async () => {
      const { run } = await replica.client.startRun({ workflowId: workflow?.workflowId ?? "" });
      return run?.runId ?? "";
    });
    const [root = "", live = "", other = ""] = await Promise.all(started);
    for (const runId of [root, other]) await replica.client.cancelRun({ runId });
    await all.db.query(
      sql`update scheduler.run set parent_run_id = ${root}::uuid where run_id = ${live}::uuid`,
    );
    await all.db.query(sql`
      update scheduler.run
      set ended_at = ended_at - interval '2 hours'
      where run_id = any (${[root, other]}::uuid[])
    `);
    const listed = async () => {
      const { runs } = await replica.client.listRuns({ includeChildren: true });
      return new Set(runs.map(({ runId }) => runId));
    };
    await until("the other one is hidden", async () => !(await listed()).has(other), 30_000);
    expect(await listed()).toEqual(new Set([root, live]));
    await replica.client.cancelRun({ runId: live });
    await until("both are hidden", async () => (await listed()).size === 0, 30_000);
  });

  test("is removed when it is older than the retention, and one that goes on or ended since is not", async () => {
    await using all = await world("memory", { retentionMs: 3_600_000 });
    const replica = await all.replica();
    const { workflow } = await replica.client.createWorkflow({ name: "test", dag: noop("A") });
    const started = await Promise.all(
      Array.from({ length: 250 }, async () => {
        const { run } = await replica.client.startRun({ workflowId: workflow?.workflowId ?? "" });
        return run?.runId ?? "";
      }),
    );
    const [live = "", recent = "", ...old] = started;
    await Promise.all([recent, ...old].map(async (runId) => await replica.client.cancelRun({ runId })));
    await all.db.query(sql`
      update scheduler.run
      set created_at = created_at - interval '25 hours', ended_at = ended_at - interval '2 hours'
      where run_id = any (${old}::uuid[])
    `);
    const kept = async () => {
      const { runs } = await replica.client.listRuns({ pageSize: 1_000 });
      return runs.map(({ runId }) => runId).sort();
    };
    await until("old runs are hidden", async () => (await kept()).length === 2, 30_000);
    expect(await kept()).toEqual([live, recent].sort());
    const left = async () => {
      const rows = await all.db.query<{ run_id: string }>(
        sql`select distinct run_id from scheduler.run_event`,
      );
      return rows.map(({ run_id }) => run_id).sort();
    };
    await until("their history is removed", async () => (await left()).length === 2, 30_000);
    expect(await left()).toEqual([live, recent].sort());
  });
});

test("a request is forgotten when it is a day old, and not before", async () => {
  await using all = await world("memory");
  await all.db.query(sql`
    insert into scheduler.request (client_id, request_id, digest, at)
    values
      ('alice', 'old', 'd', now() - interval '25 hours'),
      ('bob', 'old', 'd', now() - interval '25 hours'),
      ('alice', 'recent', 'd', now() - interval '23 hours')
  `);
  await all.replica();
  const left = async () => {
    const rows = await all.db.query<{ request_id: string }>(sql`select request_id from scheduler.request`);
    return rows.map((row) => row.request_id);
  };
  await until("old ones are gone", async () => !(await left()).includes("old"), 30_000);
  expect(await left()).toEqual(["recent"]);
});
