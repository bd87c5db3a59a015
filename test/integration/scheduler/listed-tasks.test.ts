import { randomUUID } from "node:crypto";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, createClient } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type ListTasksRequestSchema,
  SchedulerService,
  type TaskFilterSchema,
} from "../../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { TaskState } from "../../../gen/antiphon/scheduler/v1/task_pb.ts";
import { sql } from "../../../lib/postgres/sql.ts";
import { until } from "../../support/until.ts";
import { type Replica, type World, world } from "./scheduler-world.ts";

const content = new TextEncoder().encode("print()");

describe("the list of stand-alone tasks", () => {
  let all: World;
  let replica: Replica;

  beforeAll(async () => {
    all = await world("memory");
    replica = await all.replica();
  });
  afterAll(async () => await all[Symbol.asyncDispose]());

  /** A client of its own for each test. */
  function someone(clientId: string = randomUUID()) {
    const client = createClient(SchedulerService, replica.as(`tasks-api/${clientId}`));
    return {
      clientId,
      client,
      submit: async (fileName = "a.py", labels: Record<string, string> = {}): Promise<string> => {
        const { task } = await client.submitTask({ program: { fileName, content }, labels });
        return task?.taskId ?? "";
      },
      ids: async (request: MessageInitShape<typeof ListTasksRequestSchema> = {}): Promise<string[]> => {
        return (await client.listTasks(request)).tasks.map(({ taskId }) => taskId);
      },
      count: async (filter: MessageInitShape<typeof TaskFilterSchema> = {}): Promise<number> => {
        return Number((await client.countTasks({ filter })).count);
      },
    };
  }

  test("shows whose a task is, what labels it, and when it changed last", async () => {
    const { clientId, client, submit } = someone();
    const taskId = await submit("a.py", { flow: "x y", team: "a=b" });
    const { task } = await client.getTask({ taskId });
    expect(task).toMatchObject({ clientId, labels: { flow: "x y", team: "a=b" }, scheduleId: "" });
    expect(task?.updatedAt).toEqual(task?.createdAt);
    expect((await client.cancelTask({ taskId })).task?.updatedAt?.seconds).toBeGreaterThanOrEqual(
      task?.createdAt?.seconds ?? 0n,
    );
    expect((await client.listTasks({})).tasks[0]).toMatchObject({ clientId, labels: { team: "a=b" } });
  });

  test("finds by state while a task goes through its life", async () => {
    const { client, submit, ids, count } = someone();
    const [idle, busy] = [await submit(), await submit()];
    const worker = replica.fakeWorker();
    const taken = await worker.takeTask(busy, 1, "program");
    await worker.take("program");
    const inState = async (state: TaskState) => await ids({ filter: { states: [state] } });
    const reaches = async (state: TaskState, among: readonly string[]) => {
      await until(`the list shows state ${state}`, async () => {
        return JSON.stringify(await inState(state)) === JSON.stringify(among);
      });
    };
    await reaches(TaskState.QUEUED, [busy, idle]);
    const sealKey = new Uint8Array(32);
    await worker.report(taken, { case: "leaseRequested", value: { sealKey } });
    await reaches(TaskState.STARTING, [busy]);
    await worker.report(taken, { case: "started", value: {} });
    await reaches(TaskState.RUNNING, [busy]);
    await worker.report(taken, { case: "promptOpened", value: { promptId: "p1", text: "?" } });
    await reaches(TaskState.WAITING_FOR_INPUT, [busy]);
    expect(await inState(TaskState.QUEUED)).toEqual([idle]);
    await worker.complete(taken);
    await reaches(TaskState.COMPLETED, [busy]);
    await client.cancelTask({ taskId: idle });
    await reaches(TaskState.CANCELLED, [idle]);
    expect(await count({ states: [TaskState.COMPLETED, TaskState.CANCELLED] })).toBe(2);
    expect(await count({ states: [TaskState.QUEUED] })).toBe(0);
  });

  test("finds by a part of the name, literally, by labels, and without those of schedules", async () => {
    const { client, submit, ids, count } = someone();
    const plain = await submit("Report_1%.py", { team: "a" });
    const other = await submit("reportX1x.py", { team: "a", kind: "b" });
    expect(await ids({ filter: { text: "rEPORT_1%" } })).toEqual([plain]);
    expect(await ids({ filter: { text: "eport" } })).toEqual([other, plain]);
    expect(await count({ text: "\\" })).toBe(0);
    expect(await ids({ filter: { labels: { team: "a" } } })).toEqual([other, plain]);
    expect(await ids({ filter: { labels: { kind: "b", team: "a" } } })).toEqual([other]);
    const { schedule } = await client.createSchedule({
      schedule: {
        name: "later",
        timing: { kind: { case: "cron", value: "0 0 1 1 *" } },
        target: { kind: { case: "task", value: { program: { fileName: "s.py", content } } } },
      },
    });
    const { run } = await client.triggerSchedule({ scheduleId: schedule?.scheduleId ?? "" });
    expect(await count()).toBe(3);
    expect(await ids({ filter: { withoutScheduled: true } })).toEqual([other, plain]);
    const { task } = await client.getTask({ taskId: run?.runId ?? "" });
    expect(task?.scheduleId).toBe(schedule?.scheduleId);
  });

  test.each([
    ["", ["e", "d", "c", "b", "a"]],
    ["created_at", ["a", "b", "c", "d", "e"]],
    ["created_at desc", ["e", "d", "c", "b", "a"]],
    ["name", ["b", "d", "a", "c", "e"]],
    ["name desc", ["a", "c", "e", "b", "d"]],
    ["labels.rank", ["a", "d", "b", "e", "c"]],
    ["labels.rank desc", ["c", "b", "e", "a", "d"]],
    ["state", ["c", "a", "b", "d", "e"]],
    ["state desc", ["a", "b", "d", "e", "c"]],
  ])("comes in the order %j, page by page, and with some passed over", async (orderBy, expected) => {
    const { client, submit, ids } = someone();
    const nameOf = new Map([
      [await submit("n2.py"), "a"],
      [await submit("n1.py", { rank: "1" }), "b"],
      [await submit("n2.py", { rank: "2" }), "c"],
      [await submit("n1.py"), "d"],
      [await submit("n2.py", { rank: "1" }), "e"],
    ]);
    const [third = ""] = await ids({ orderBy: "labels.rank desc", pageSize: 1 });
    await client.cancelTask({ taskId: third });
    const named = (taskIds: readonly string[]) => taskIds.map((taskId) => nameOf.get(taskId));
    expect(named(await ids({ orderBy }))).toEqual(expected);
    expect(named(await ids({ orderBy, skip: 3 }))).toEqual(expected.slice(3));
    const paged: string[] = [];
    let pageToken = "";
    do {
      const page = await client.listTasks({ orderBy, pageSize: 2, pageToken });
      paged.push(...page.tasks.map(({ taskId }) => taskId));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    expect(named(paged)).toEqual(expected);
  });

  test("comes in the order of ids", async () => {
    const { submit, ids } = someone();
    const taskIds = [await submit(), await submit(), await submit()].toSorted();
    expect(await ids({ orderBy: "task_id" })).toEqual(taskIds);
    expect(await ids({ orderBy: "task_id desc" })).toEqual(taskIds.toReversed());
  });

  test("refuses what it can not do, and a page of another list", async () => {
    const { client, submit } = someone();
    const [runId] = [await submit(), await submit()];
    const refused = { code: Code.InvalidArgument };
    for (const request of [
      { orderBy: "labels." },
      { orderBy: "size" },
      { orderBy: "name asc" },
      { skip: -1 },
      { skip: 1_000_001 },
      { filter: { states: [99 as TaskState] } },
      { filter: { text: "x".repeat(201) } },
      { filter: { labels: { "-": "" } } },
      { runId, orderBy: "name" },
      { runId, filter: {} },
    ]) {
      await expect(client.listTasks(request)).rejects.toMatchObject(refused);
    }
    const { nextPageToken: pageToken } = await client.listTasks({ pageSize: 1 });
    await expect(client.listTasks({ pageToken, orderBy: "name" })).rejects.toMatchObject(refused);
    await expect(client.listTasks({ pageToken, filter: { text: "a" } })).rejects.toMatchObject(refused);
    expect((await client.listTasks({ pageToken })).tasks).toHaveLength(1);
  });

  test("shows others nothing, and an admin everything", async () => {
    const [mine, other] = [someone(), someone()];
    const taskId = await mine.submit();
    expect(await other.ids()).toEqual([]);
    expect(await other.count()).toBe(0);
    const admin = createClient(SchedulerService, replica.as("admin-api/root"));
    const seen = (await admin.listTasks({ pageSize: 1_000 })).tasks.map((task) => task.taskId);
    expect(seen).toContain(taskId);
  });

  test("knows the state of tasks whose rows older code wrote, once their partitions change hands", async () => {
    const { submit, ids } = someone();
    const [taskId, paused] = [await submit(), await submit()];
    const worker = replica.fakeWorker();
    const taken = await worker.takeTask(taskId, 1, "program");
    await worker.report(taken, { case: "leaseRequested", value: { sealKey: new Uint8Array(32) } });
    const filter = { states: [TaskState.STARTING] };
    await until("it starts", async () => (await ids({ filter })).length === 1);
    await all.db.query(sql`
      update scheduler.run set task_state = null where run_id = any (${[taskId, paused]}::uuid[])
    `);
    expect(await ids({ filter: { states: [TaskState.QUEUED] } })).toEqual([paused, taskId]);
    await all.db.query(sql`update scheduler.partition set owner_incarnation = null`);
    await until("the owner has told its state", async () => (await ids({ filter })).length === 1);
    expect(await ids({ filter: { states: [TaskState.QUEUED] } })).toEqual([paused]);
  });
});
