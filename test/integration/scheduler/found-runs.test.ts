import { randomUUID } from "node:crypto";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { createClient } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Run, RunState } from "../../../gen/antiphon/scheduler/v1/run_pb.ts";
import { SchedulerService } from "../../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { partitionOf } from "../../../lib/ids/partition.ts";
import { sql } from "../../../lib/postgres/sql.ts";
import { type Replica, type World, world } from "./scheduler-world.ts";

interface Stored {
  readonly clientId?: string;
  readonly name?: string;
  readonly state?: string;
  readonly workflowId?: string;
  readonly parentRunId?: string;
  readonly scheduleId?: string;
  readonly labels?: readonly string[];
  readonly failure?: object;
  readonly createdAt?: Date;
  readonly runId?: string;
}

describe("the list of runs", () => {
  let all: World;
  let replica: Replica;
  /** Each test has runs of a client of its own. */
  let clientId: string;

  beforeAll(async () => {
    all = await world("memory");
    replica = await all.replica();
  });
  afterAll(async () => await all[Symbol.asyncDispose]());

  /** A row as owners write it. */
  async function put(run: Stored = {}): Promise<string> {
    const runId = run.runId ?? randomUUID();
    const createdAt = run.createdAt ?? new Date(1_800_000_000_000 + created++);
    await all.db.query(sql`
      insert into scheduler.run (
        run_id, partition, client_id, workflow_id, name, labels, parent_run_id, schedule_id, state,
        is_cancel_requested, failure, created_at, ended_at
      )
      values (
        ${runId}::uuid, ${partitionOf(runId)}, ${run.clientId ?? clientId}, ${run.workflowId ?? null}::uuid,
        ${run.name ?? "flow"}, ${run.labels ?? []}::text[], ${run.parentRunId ?? null}::uuid,
        ${run.scheduleId ?? null}::uuid, ${run.state ?? "completed"}, false,
        ${run.failure === undefined ? null : Buffer.from(JSON.stringify(run.failure))}::bytea,
        ${createdAt}::timestamptz, ${run.state === "running" ? null : createdAt}::timestamptz
      )
    `);
    return runId;
  }
  let created = 0;

  const client = () => createClient(SchedulerService, replica.as(`tasks-api/${clientId}`));
  const found = async (filter: Parameters<ReturnType<typeof client>["listRuns"]>[0]) =>
    (await client().listRuns(filter)).runs.map(({ runId }) => runId);

  test("shows a client its own runs, newest first, and those of others to an admin alone", async () => {
    clientId = randomUUID();
    const [first, second] = [await put(), await put()];
    const foreign = await put({ clientId: "somebody" });
    expect(await found({})).toEqual([second, first]);
    const admin = createClient(SchedulerService, replica.as("admin-api/root"));
    const seen = (await admin.listRuns({ pageSize: 1_000 })).runs.map(({ runId }) => runId);
    expect(seen).toEqual(expect.arrayContaining([foreign, second, first]));
  });

  test("finds by state, workflow, name, schedule and time", async () => {
    clientId = randomUUID();
    const [workflowId, scheduleId] = [randomUUID(), randomUUID()];
    const running = await put({ state: "running", name: "a" });
    const failed = await put({ state: "failed", workflowId });
    const cancelled = await put({ state: "cancelled", scheduleId });
    expect(await found({ states: [RunState.RUNNING] })).toEqual([running]);
    expect(await found({ states: [RunState.FAILED] })).toEqual([failed]);
    expect(await found({ states: [RunState.RUNNING, RunState.CANCELLED] })).toEqual([cancelled, running]);
    expect(await found({ workflowId })).toEqual([failed]);
    expect(await found({ scheduleId })).toEqual([cancelled]);
    expect(await found({ name: "a" })).toEqual([running]);
    const at = new Date("2026-05-01T00:00:00Z");
    const timed = await put({ createdAt: at });
    const next = await put({ createdAt: new Date(at.getTime() + 1) });
    const createdAfter = timestampFromDate(at);
    expect(await found({ createdAfter, createdBefore: { ...createdAfter, nanos: 1_000_000 } })).toEqual([
      timed,
    ]);
    expect(await found({ createdAfter: { ...createdAfter, nanos: 1 }, name: "flow", states: [] })).toEqual([
      cancelled,
      failed,
      next,
    ]);
  });

  test("finds runs that have all of some labels, and shows the labels", async () => {
    clientId = randomUUID();
    const both = await put({ labels: ["env=prod", "team=a=b"] });
    await put({ labels: ["env=test", "team=a=b"] });
    await put();
    expect(await found({ labels: { env: "prod", team: "a=b" } })).toEqual([both]);
    const { runs } = await client().listRuns({ labels: { env: "prod" } });
    expect(runs[0]?.labels).toEqual({ env: "prod", team: "a=b" });
  });

  test("shows runs that others started only when they are asked for", async () => {
    clientId = randomUUID();
    const parentRunId = await put();
    const child = await put({ parentRunId });
    expect(await found({})).toEqual([parentRunId]);
    expect(await found({ parentRunId })).toEqual([child]);
    expect(await found({ includeChildren: true })).toEqual([child, parentRunId]);
  });

  test.each<[string, Stored, string]>([
    ["the beginning of its id", { runId: "abcdef01-0000-4000-8000-000000000001" }, "ABCDEF01-00"],
    ["its name, whatever the case", { name: "Nightly Report" }, "LY REP"],
    ["a label", { labels: ["team=Payments"] }, "am=pay"],
    [
      "the message of its failure",
      { state: "failed", failure: { reason: "X", message: 'said "no"\n' } },
      'd "no"\n',
    ],
    [
      "a failure beside a zero character",
      { state: "failed", failure: { reason: "X", message: "a\0b" } },
      "X",
    ],
    ["a percent sign, as it is", { name: "50% off" }, "50%"],
    ["an underscore, as it is", { name: "a_b" }, "a_b"],
    ["a backslash, as it is", { name: "a\\b" }, "\\b"],
  ])("finds a run by %s", async (_, run, text) => {
    clientId = randomUUID();
    const wanted = await put(run);
    await put({ name: "ab", state: "failed", failure: { reason: "Y", message: "else", nodeId: "A" } });
    await put({ name: "50 off" });
    expect(await found({ text })).toEqual([wanted]);
  });

  test("finds nothing by the names of fields that a failure is stored with", async () => {
    clientId = randomUUID();
    await put({ state: "failed", failure: { reason: "X", message: "y", nodeId: "A", exitCode: 1 } });
    for (const text of ["reason", "message", "nodeId", "exitCode"]) expect(await found({ text })).toEqual([]);
  });

  test("goes on page by page, in the order of time and id, although runs are added meanwhile", async () => {
    clientId = randomUUID();
    const at = new Date("2026-06-01T00:00:00Z");
    const runIds: string[] = [];
    // Many at the same time.
    for (let n = 0; n < 25; n++) runIds.push(await put({ createdAt: at, name: "page" }));
    const seen: Run[] = [];
    let pageToken = "";
    do {
      const page = await client().listRuns({ pageSize: 4, pageToken, name: "page" });
      seen.push(...page.runs);
      pageToken = page.nextPageToken;
      await put({ name: "page" });
    } while (pageToken !== "");
    expect(seen.map(({ runId }) => runId)).toEqual(runIds.toSorted().toReversed());
  });

  test("refuses a token of another list", async () => {
    clientId = randomUUID();
    for (let n = 0; n < 3; n++) await put({ labels: ["a=1", "b=2"] });
    const first = await client().listRuns({ pageSize: 1, labels: { a: "1", b: "2" }, name: "flow" });
    const pageToken = first.nextPageToken;
    const same = await client().listRuns({
      pageSize: 2,
      pageToken,
      labels: { b: "2", a: "1" },
      name: "flow",
    });
    expect(same.runs).toHaveLength(2);
    const others = [
      {},
      { name: "flow" },
      { name: "flow", labels: { a: "1" } },
      { states: [RunState.COMPLETED] },
    ];
    for (const filter of others) {
      await expect(client().listRuns({ pageToken, ...filter })).rejects.toThrow(
        "is not a page token of this list",
      );
    }
    await expect(client().listTasks({ pageToken })).rejects.toThrow("is not a page token of this list");
  });

  test("names every fault of a filter", async () => {
    const filter = {
      states: [RunState.UNSPECIFIED],
      workflowId: "x",
      parentRunId: "x",
      scheduleId: "x",
      name: "a".repeat(201),
      text: "\0",
      labels: { "": "a", ok: "a".repeat(201) },
      createdAfter: { seconds: 1n << 60n, nanos: 0 },
      createdBefore: { seconds: 0n, nanos: -1 },
    };
    await expect(client().listRuns(filter)).rejects.toThrow(
      "states[0]: is not a state of a run (and 9 more)",
    );
  });
});
