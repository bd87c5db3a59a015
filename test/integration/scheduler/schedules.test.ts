import { readFile } from "node:fs/promises";
import { fromJsonString, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampDate, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { type Client, Code, createClient } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RunState } from "../../../gen/antiphon/scheduler/v1/run_pb.ts";
import {
  CatchUpPolicy,
  OverlapPolicy,
  type ScheduleSchema,
} from "../../../gen/antiphon/scheduler/v1/schedule_pb.ts";
import {
  CreateScheduleRequestSchema,
  SchedulerService,
} from "../../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { partitionOf } from "../../../lib/ids/partition.ts";
import { sql } from "../../../lib/postgres/sql.ts";
import { fromConnectError } from "../../../lib/rpc/from-connect-error.ts";
import { until as untilWithin } from "../../support/until.ts";
import { bytes, type Replica, valueOf, type World, world } from "./scheduler-world.ts";

const hourMs = 3_600_000;

const dag = { nodes: [{ id: "A", handler: "noop", config: bytes({ at: "{{ run.scheduled_at }}" }) }] };
const inline = { name: "nightly", dag };

let all: World;
let replica: Replica;
let client: Client<typeof SchedulerService>;

beforeAll(async () => {
  all = await world("memory");
  replica = await all.replica();
  client = replica.client;
});
afterAll(async () => await all[Symbol.asyncDispose]());

/** Half an hour away in both directions, so that nothing of it is due while a test runs. */
const hourly = `${(new Date().getUTCMinutes() + 30) % 60} * * * *`;

/** Firings come by a clock, about a second late; a slow machine may take many times as long. */
const until: typeof untilWithin = async (what, holds) => await untilWithin(what, holds, 30_000);

type ScheduleInit = Extract<MessageInitShape<typeof ScheduleSchema>, { readonly $typeName?: never }>;

const aSchedule = (more: ScheduleInit = {}): ScheduleInit => ({
  name: "hourly",
  timing: { kind: { case: "cron", value: hourly } },
  target: { kind: { case: "workflow", value: { workflow: inline } } },
  ...more,
});

const onceAt = (at: Date): ScheduleInit["timing"] => ({ kind: { case: "at", value: timestampFromDate(at) } });

async function created(more: ScheduleInit = {}, of: Client<typeof SchedulerService> = client) {
  const { schedule } = await of.createSchedule({ schedule: aSchedule(more) });
  if (schedule === undefined) throw new Error("an answer without a schedule");
  return schedule;
}

async function read(scheduleId: string) {
  const { schedule } = await client.getSchedule({ scheduleId });
  if (schedule === undefined) throw new Error("an answer without a schedule");
  return schedule;
}

/** The runs of a schedule, oldest first. */
async function runsOf(scheduleId: string) {
  const { runs } = await client.listRuns({ scheduleId, pageSize: 1_000 });
  return runs.toReversed();
}

/** The nominal times of what a schedule started, in that order. */
async function startedTimes(scheduleId: string): Promise<unknown[]> {
  const rows = await all.db.query<{ payload: Uint8Array }>(sql`
    select event.payload
    from scheduler.run
    join scheduler.run_event as event using (run_id)
    where run.schedule_id = ${scheduleId}::uuid and event.seq = 1
    order by run.created_at, event.payload
  `);
  return rows.map(({ payload }) => (valueOf(payload) as { scheduledAt: string }).scheduledAt);
}

/** Lets the times of a schedule since then come as if no scheduler had run. */
async function missSince(scheduleId: string, hours: number): Promise<void> {
  await all.db.query(sql`
    update scheduler.schedule
    set next_at = next_at - ${hours}::int * interval '1 hour', revision = revision + 1
    where schedule_id = ${scheduleId}::uuid
  `);
}

/** The last times of `hourly`, oldest first. */
function lastHours(count: number): string[] {
  const last = new Date();
  if (last.getUTCMinutes() < Number.parseInt(hourly, 10)) last.setUTCHours(last.getUTCHours() - 1);
  last.setUTCMinutes(Number.parseInt(hourly, 10), 0, 0);
  return Array.from({ length: count }, (_, index) => {
    return new Date(last.getTime() - (count - 1 - index) * hourMs).toISOString();
  });
}

/** Waits until the conductor has been at everything that is due at the moment. */
async function conducted(): Promise<void> {
  const marker = await created({ timing: onceAt(new Date()) });
  await until("the marker has fired", async () => (await runsOf(marker.scheduleId)).length === 1);
}

const reasonOf = async (call: Promise<unknown>): Promise<string | undefined> => {
  return await call.then(
    () => "none",
    (error: unknown) => fromConnectError(error).reason,
  );
};

describe("a schedule", () => {
  test("starts the run of a workflow once when its time has come, and says so", async () => {
    const at = new Date(Date.now() + 300);
    const { scheduleId, nextFirings } = await created({ timing: onceAt(at) });
    expect(nextFirings.map(timestampDate)).toEqual([at]);
    const [run] = await until("it has fired", async () => {
      const runs = await runsOf(scheduleId);
      return runs.length > 0 && runs;
    });
    const fired = await until("it is noted", async () => {
      const schedule = await read(scheduleId);
      return schedule.lastRunId !== "" && schedule;
    });
    expect(fired).toMatchObject({ lastRunId: run?.runId, nextFirings: [] });
    expect(fired.lastFailure).toBeUndefined();
    expect(fired.lastFiringAt && timestampDate(fired.lastFiringAt)).toEqual(at);
    expect(partitionOf(run?.runId ?? "")).toBe(partitionOf(scheduleId));
    const worker = replica.fakeWorker();
    const { assignment } = await worker.takeTask(`${run?.runId}.A`, 1);
    expect(valueOf(assignment.config)).toEqual({ at: at.toISOString() });
    await conducted();
    expect(await runsOf(scheduleId)).toHaveLength(1);
  });

  test("starts a program with its file and input", async () => {
    const program = { fileName: "hello.py", content: new TextEncoder().encode("print(1)") };
    const schedule = await created({
      timing: onceAt(new Date()),
      target: { kind: { case: "task", value: { program, input: bytes({ a: 1 }) } } },
    });
    const { scheduleId } = schedule;
    const whole = (await read(scheduleId)).target?.kind;
    expect(whole?.case === "task" && whole.value.program?.content).toEqual(program.content);
    const [run] = await until("it has fired", async () => {
      const runs = await runsOf(scheduleId);
      return runs.length > 0 && runs;
    });
    expect(run).toMatchObject({ name: "hello.py", scheduleId, workflowId: "" });
    const stored = await all.db.query<{ content: Uint8Array }>(sql`
      select content from scheduler.program where run_id = ${run?.runId}::uuid
    `);
    expect(stored.map(({ content }) => new TextDecoder().decode(content))).toEqual(["print(1)"]);
    const { schedules } = await client.listSchedules({ pageSize: 1_000 });
    const listed = schedules.find((each) => each.scheduleId === scheduleId)?.target?.kind;
    expect(listed?.case === "task" && listed.value.program).toMatchObject({
      fileName: "hello.py",
      content: new Uint8Array(),
    });
  });

  test("starts the newest workflow of a name, and goes on when there is none", async () => {
    const target: ScheduleInit["target"] = {
      kind: { case: "workflow", value: { workflowName: "by name", input: bytes({ n: 1 }), priority: 7 } },
    };
    expect(await reasonOf(created({ target }))).toBe("WORKFLOW_NOT_FOUND");
    const { workflow: first } = await client.createWorkflow({ name: "by name", dag });
    const { scheduleId } = await created({ target });
    const { scheduleId: later } = await created({ target });
    const other = { nodes: [{ id: "B", handler: "noop" }] };
    const { workflow: second } = await client.createWorkflow({ name: "by name", dag: other });
    await missSince(scheduleId, 1);
    const [run] = await until("it has fired", async () => {
      const runs = await runsOf(scheduleId);
      return runs.length > 0 && runs;
    });
    expect(run).toMatchObject({ workflowId: second?.workflowId, priority: 7 });

    for (const stored of [first, second]) {
      await client.deleteWorkflow({ workflowId: stored?.workflowId ?? "" });
    }
    await missSince(later, 1);
    const failed = await until("the failure is noted", async () => {
      const schedule = await read(later);
      return schedule.lastFailure && schedule;
    });
    expect(failed.lastFailure?.reason).toBe("WORKFLOW_NOT_FOUND");
    expect(failed.nextFirings).toHaveLength(10);
    expect(await runsOf(later)).toEqual([]);
  });

  test("keeps its workflow from being deleted while it starts it by its id", async () => {
    const { scheduleId, target } = await created({
      target: { kind: { case: "workflow", value: { workflow: { ...inline, name: "kept" } } } },
    });
    const workflowId = (target?.kind.case === "workflow" && target.kind.value.workflowId) || "";
    expect(await reasonOf(client.deleteWorkflow({ workflowId }))).toBe("WORKFLOW_IN_USE");
    await client.deleteSchedule({ scheduleId });
    expect(await reasonOf(client.deleteWorkflow({ workflowId }))).toBe("none");
  });
});

// Each waits for turns of the conductor, on schedules of its own.
describe.concurrent("missed firings", { timeout: 180_000 }, () => {
  const { SKIP, QUEUE, CANCEL_OLD, ALLOW } = OverlapPolicy;
  const hours = 4;
  const window = { seconds: BigInt(3 * 3_600) };

  test.each([
    ["passed over", CatchUpPolicy.SKIP, 0],
    ["made up for once", CatchUpPolicy.LATEST, 1],
    ["each made up for, within the window", CatchUpPolicy.ALL, 3],
  ])("are %s", async (_, catchUp, count) => {
    const { scheduleId } = await created({ overlap: ALLOW, catchUp, catchUpWindow: window });
    await missSince(scheduleId, hours);
    await until("it has been decided", async () => (await read(scheduleId)).lastFiringAt !== undefined);
    await until("all are started", async () => (await runsOf(scheduleId)).length === count);
    await conducted();
    expect(await startedTimes(scheduleId)).toEqual(count === 0 ? [] : lastHours(count));
    expect((await read(scheduleId)).lastFailure).toBeUndefined();
  });

  describe.each([
    ["made up for once", CatchUpPolicy.LATEST, 1],
    ["each made up for", CatchUpPolicy.ALL, 3],
  ])("that are %s", (_, catchUp, count) => {
    /** A schedule with a run under way, that has then missed firings. */
    async function overlapping(overlap: OverlapPolicy) {
      const { scheduleId } = await created({ overlap, catchUp, catchUpWindow: window });
      const { run } = await client.triggerSchedule({ scheduleId });
      await missSince(scheduleId, hours);
      await until("it has been decided", async () => (await read(scheduleId)).lastFiringAt !== undefined);
      return { scheduleId, first: run?.runId ?? "" };
    }

    const fired = async (scheduleId: string) => (await startedTimes(scheduleId)).slice(1);

    test("start nothing while a run is under way, where overlaps are skipped", async () => {
      const { scheduleId } = await overlapping(SKIP);
      await conducted();
      expect(await fired(scheduleId)).toEqual([]);
    });

    test("start beside it, where they are allowed", async () => {
      const { scheduleId } = await overlapping(ALLOW);
      await until("all are started", async () => (await fired(scheduleId)).length === count);
      expect(await fired(scheduleId)).toEqual(lastHours(count));
    });

    test("wait for it and for each other, where they are queued", async () => {
      const { scheduleId, first } = await overlapping(QUEUE);
      await conducted();
      expect(await fired(scheduleId)).toEqual([]);
      let before = first;
      for (let index = 1; index <= count; index += 1) {
        await client.cancelRun({ runId: before });
        await until("the next is started", async () => (await fired(scheduleId)).length === index);
        await conducted();
        expect(await fired(scheduleId)).toEqual(lastHours(count).slice(0, index));
        before = (await runsOf(scheduleId)).at(-1)?.runId ?? "";
      }
    });

    test("take its place, where the old one is cancelled", async () => {
      const { scheduleId, first } = await overlapping(CANCEL_OLD);
      await until("the latest is started", async () => (await fired(scheduleId)).length === 1);
      await conducted();
      expect(await fired(scheduleId)).toEqual(lastHours(1));
      const [old, latest, ...more] = await runsOf(scheduleId);
      expect(more).toEqual([]);
      expect(old).toMatchObject({ runId: first, state: RunState.CANCELLED });
      expect(latest).toMatchObject({ state: RunState.RUNNING, cancelRequested: false });
    });
  });

  test("are those of a pause, too", async () => {
    const { scheduleId } = await created({ overlap: ALLOW, catchUp: CatchUpPolicy.ALL, paused: true });
    expect((await read(scheduleId)).nextFirings).toEqual([]);
    await missSince(scheduleId, 1);
    await conducted();
    expect(await runsOf(scheduleId)).toEqual([]);
    const resumed = await client.updateSchedule({
      schedule: { scheduleId, paused: false },
      updateMask: { paths: ["paused"] },
    });
    expect(resumed.schedule).toMatchObject({ paused: false, name: "hourly", overlap: ALLOW });
    await until("the missed one is made up for", async () => (await runsOf(scheduleId)).length === 1);
    expect(await startedTimes(scheduleId)).toEqual(lastHours(1));
  });
});

describe("triggerSchedule", () => {
  test("starts a run whatever the pause, the same for the same request", async () => {
    const { scheduleId } = await created({ paused: true });
    const twice = await Promise.all([
      client.triggerSchedule({ scheduleId, requestId: "now" }),
      client.triggerSchedule({ scheduleId, requestId: "now" }),
    ]);
    const [first, second] = twice.map(({ run }) => run?.runId);
    expect(first).toBe(second);
    const { run: other } = await client.triggerSchedule({ scheduleId });
    expect(other?.runId).not.toBe(first);
    expect(await runsOf(scheduleId)).toHaveLength(2);
    const { scheduleId: another } = await created();
    const reused = client.triggerSchedule({ scheduleId: another, requestId: "now" });
    expect(await reasonOf(reused)).toBe("REQUEST_ID_REUSED");
  });
});

describe("schedules and their clients", () => {
  test("end when they are to, whose they are is told, and when they were changed", async () => {
    const endsAt = timestampFromDate(new Date(Date.now() + 2 * hourMs));
    const schedule = await created({ endsAt });
    expect(schedule).toMatchObject({ clientId: "alice", endsAt, updatedAt: schedule.createdAt });
    expect(schedule.nextFirings.length).toBeGreaterThan(0);
    expect(schedule.nextFirings.length).toBeLessThanOrEqual(2);
    const { scheduleId } = schedule;
    const past = timestampFromDate(new Date(Date.now() - hourMs));
    const change = { schedule: { scheduleId, endsAt: past }, updateMask: { paths: ["ends_at"] } };
    const ended = (await client.updateSchedule(change)).schedule;
    expect(ended?.nextFirings).toEqual([]);
    expect(timestampDate(ended?.updatedAt ?? past) > timestampDate(schedule.updatedAt ?? endsAt)).toBe(true);
    expect((await client.triggerSchedule({ scheduleId })).run?.scheduleId).toBe(scheduleId);
    const unended = { schedule: { scheduleId }, updateMask: { paths: ["ends_at"] } };
    expect((await client.updateSchedule(unended)).schedule?.nextFirings).toHaveLength(10);
    await expect(created({ endsAt: past })).rejects.toMatchObject({ code: Code.InvalidArgument });
    await expect(created({ updatedAt: past })).rejects.toMatchObject({ code: Code.InvalidArgument });
    await expect(created({ starting: true })).rejects.toMatchObject({ code: Code.InvalidArgument });
  });

  test("are stored once for one request", async () => {
    const labelled = (labels: Record<string, string>) =>
      aSchedule({
        name: "once",
        target: { kind: { case: "workflow", value: { workflow: inline, labels } } },
      });
    const schedule = labelled({ a: "1", b: "2" });
    const first = await client.createSchedule({ schedule, requestId: "create" });
    // Some clients draw the order of labels with each request.
    const reordered = labelled({ b: "2", a: "1" });
    const again = await client.createSchedule({ schedule: reordered, requestId: "create" });
    expect(again.schedule?.scheduleId).toBe(first.schedule?.scheduleId);
    const other = client.createSchedule({ schedule: { ...schedule, name: "other" }, requestId: "create" });
    expect(await reasonOf(other)).toBe("REQUEST_ID_REUSED");
    const scheduleId = first.schedule?.scheduleId ?? "";
    await client.deleteSchedule({ scheduleId, requestId: "delete" });
    await client.deleteSchedule({ scheduleId, requestId: "delete" });
    expect(await reasonOf(client.deleteSchedule({ scheduleId }))).toBe("SCHEDULE_NOT_FOUND");
    // A late repeat brings nothing back.
    expect(await reasonOf(client.createSchedule({ schedule, requestId: "create" }))).toBe(
      "SCHEDULE_NOT_FOUND",
    );
  });

  test("are not found by others, and found by an admin", async () => {
    const { scheduleId } = await created();
    const bob = createClient(SchedulerService, replica.as("tasks-api/bob"));
    const calls = [
      bob.getSchedule({ scheduleId }),
      bob.triggerSchedule({ scheduleId }),
      bob.deleteSchedule({ scheduleId }),
      bob.updateSchedule({ schedule: { scheduleId, name: "bob's" }, updateMask: { paths: ["name"] } }),
      bob.getSchedule({ scheduleId: "no id" }),
    ];
    expect(await Promise.all(calls.map(reasonOf))).toEqual(calls.map(() => "SCHEDULE_NOT_FOUND"));
    expect((await bob.listSchedules({})).schedules).toEqual([]);
    const admin = createClient(SchedulerService, replica.as("admin-api/root"));
    expect((await admin.getSchedule({ scheduleId })).schedule?.scheduleId).toBe(scheduleId);
    const { run } = await admin.triggerSchedule({ scheduleId });
    expect((await client.getRun({ runId: run?.runId ?? "" })).run?.scheduleId).toBe(scheduleId);
  });

  test("are listed in pages, newest first", async () => {
    const carol = createClient(SchedulerService, replica.as("tasks-api/carol"));
    const ids: string[] = [];
    for (let count = 0; count < 5; count += 1) ids.unshift((await created({}, carol)).scheduleId);
    const listed: string[] = [];
    for (let pageToken = ""; ; ) {
      const page = await carol.listSchedules({ pageSize: 2, pageToken });
      listed.push(...page.schedules.map(({ scheduleId }) => scheduleId));
      pageToken = page.nextPageToken;
      if (pageToken === "") break;
    }
    expect(listed).toEqual(ids);
    expect(await reasonOf(carol.listSchedules({ pageToken: "made up" }))).toBe("PAGE_TOKEN_INVALID");
  });

  test("are listed in smaller pages when they are large", async () => {
    const dave = createClient(SchedulerService, replica.as("tasks-api/dave"));
    const program = {
      fileName: "a.py",
      content: bytes(1),
      arguments: Array<string>(100).fill("x".repeat(4_000)),
    };
    for (let count = 0; count < 12; count += 1) {
      await created({ target: { kind: { case: "task", value: { program } } } }, dave);
    }
    const first = await dave.listSchedules({});
    expect(first.schedules.length).toBeLessThan(12);
    const second = await dave.listSchedules({ pageToken: first.nextPageToken });
    expect(first.schedules.length + second.schedules.length).toBe(12);
    expect(second.nextPageToken).toBe("");
  });

  test("go on from now when their timing is changed, once for one request", async () => {
    const { scheduleId, nextFirings } = await created();
    const at = new Date(Date.now() + 24 * hourMs);
    const update = {
      schedule: { scheduleId, timing: onceAt(at), name: "ignored" },
      updateMask: { paths: ["timing", "catch_up"] },
      requestId: "move",
    };
    const { schedule } = await client.updateSchedule(update);
    expect(schedule).toMatchObject({ name: "hourly" });
    expect(schedule?.nextFirings.map(timestampDate)).toEqual([at]);
    await client.updateSchedule({
      schedule: aSchedule({ scheduleId }),
      updateMask: { paths: ["timing", "name"] },
    });
    // The repeat of the first does not take the second back.
    const repeated = await client.updateSchedule(update);
    expect(repeated.schedule?.nextFirings).toEqual(nextFirings);
  });

  test.each<[string, ScheduleInit, string]>([
    ["without a name", { name: "" }, "schedule.name"],
    ["without times", { timing: {} }, "schedule.timing"],
    ["with six fields", { timing: { kind: { case: "cron", value: "* * * * * *" } } }, "schedule.timing.cron"],
    [
      "in an unknown time zone",
      { timing: { kind: { case: "cron", value: hourly }, timeZone: "Mars/Base" } },
      "schedule.timing.time_zone",
    ],
    [
      "of a day that never comes",
      { timing: { kind: { case: "cron", value: "0 0 30 2 *" } } },
      "schedule.timing.cron",
    ],
    ["of a time long ago", { timing: onceAt(new Date(Date.now() - 2 * hourMs)) }, "schedule.timing.at"],
    [
      "of a time that is missed, where missed ones are passed over",
      { timing: onceAt(new Date(Date.now() - 60_000)), catchUp: CatchUpPolicy.SKIP },
      "schedule.timing.at",
    ],
    ["of nothing", { target: {} }, "schedule.target"],
    [
      "of an empty program",
      { target: { kind: { case: "task", value: { program: { fileName: "a.py" } } } } },
      "schedule.target.task.program.content",
    ],
    [
      "of a workflow that can not be stored",
      { target: { kind: { case: "workflow", value: { workflow: { ...inline, name: "" } } } } },
      "schedule.target.workflow.workflow.name",
    ],
    [
      "with an input that is not JSON",
      {
        target: {
          kind: { case: "workflow", value: { workflowName: "x", input: new TextEncoder().encode("{") } },
        },
      },
      "schedule.target.workflow.input",
    ],
    ["with a window of no length", { catchUpWindow: {} }, "schedule.catch_up_window"],
    ["with an unknown policy", { overlap: 9 as OverlapPolicy }, "schedule.overlap"],
    ["with an id of the caller's", { scheduleId: "mine" }, "schedule.schedule_id"],
  ])("are refused %s", async (_, more, path) => {
    const thrown: unknown = await client
      .createSchedule({ schedule: aSchedule(more) })
      .catch((error: unknown) => error);
    const { code, faults } = fromConnectError(thrown);
    expect(code).toBe(Code.InvalidArgument);
    expect(faults.map((fault) => fault.path)).toEqual([path]);
  });

  test.each([[[]], [["timing.cron"]], [["schedule_id"]]])("are not changed by the mask %j", async (paths) => {
    const { scheduleId } = await created();
    const update = client.updateSchedule({ schedule: { scheduleId }, updateMask: { paths } });
    expect(await reasonOf(update)).toBe("FIELD_INVALID");
  });
});

test("the examples of docs/schedules.md are stored", async () => {
  const page = await readFile(new URL("../../../docs/schedules.md", import.meta.url), "utf8");
  const examples = [...page.matchAll(/^```json schedule\n(.*?)^```/gms)].map(([, json = ""]) => json);
  expect(examples.length).toBeGreaterThan(0);
  await client.createWorkflow({ name: "nightly-report", dag });
  for (const example of examples) {
    const request = fromJsonString(CreateScheduleRequestSchema, example);
    const { schedule } = await client.createSchedule(request);
    expect(schedule?.nextFirings).toHaveLength(10);
  }
});
