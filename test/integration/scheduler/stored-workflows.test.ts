import { randomUUID } from "node:crypto";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { createClient } from "@connectrpc/connect";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  type CreateWorkflowRequestSchema,
  SchedulerService,
} from "../../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { FailurePolicy } from "../../../gen/antiphon/scheduler/v1/workflow_pb.ts";
import { partitionOf } from "../../../lib/ids/partition.ts";
import { sql } from "../../../lib/postgres/sql.ts";
import { until } from "../../support/until.ts";
import { bytes, type Replica, type World, world } from "./scheduler-world.ts";

type Sent = MessageInitShape<typeof CreateWorkflowRequestSchema>;

const small = (name: string): Sent => ({
  name,
  dag: { nodes: [{ id: "A", handler: "noop", config: bytes({}) }] },
});

describe("a stored workflow", () => {
  let all: World;
  let replica: Replica;
  /** Each test stores for a client of its own. */
  let clientId: string;

  beforeAll(async () => {
    all = await world("memory");
    replica = await all.replica();
  });
  afterAll(async () => await all[Symbol.asyncDispose]());
  beforeEach(() => {
    clientId = randomUUID();
  });

  const client = () => createClient(SchedulerService, replica.as(`tasks-api/${clientId}`));

  async function store(sent: Sent): Promise<string> {
    return (await client().createWorkflow(sent)).workflow?.workflowId ?? "";
  }

  const missing = expect.objectContaining({ rawMessage: "there is no such workflow" });

  test("is shown with everything that it was sent with", async () => {
    const nodes: NonNullable<NonNullable<Sent["dag"]>["nodes"]> = [
      {
        id: "A",
        handler: "noop",
        config: bytes({ x: [1, { y: "z" }] }),
        retry: {
          maxAttempts: 5,
          initialDelay: durationFromMs(1_500),
          multiplier: 3,
          maxDelay: durationFromMs(60_000),
          jitter: 0,
          nonRetryable: ["EXIT_CODE"],
        },
        timeout: durationFromMs(90_001),
        queueTimeout: durationFromMs(3_600_000),
        onFailure: FailurePolicy.CONTINUE,
        queue: "gpu",
        labels: { zone: "a" },
        priority: -7,
        replayInput: true,
      },
      {
        id: "B",
        handler: "noop",
        dependencies: ["A"],
        config: bytes({ value: "{{ item }}" }),
        when: "A.x.size() > 0",
        onFailure: FailurePolicy.SKIP_DEPENDENTS,
        forEach: { items: bytes("{{ A.x }}"), maxParallel: 3 },
      },
      { id: "mend", handler: "noop", config: bytes({}) },
    ];
    const inputSchema = bytes({ type: "object", properties: { n: { type: "integer" } } });
    const { workflow: created } = await client().createWorkflow({
      name: "whole",
      dag: { nodes, onFailure: "mend" },
      inputSchema,
    });
    const { workflow } = await client().getWorkflow({ workflowId: created?.workflowId ?? "" });
    expect(workflow).toEqual(created);
    expect(workflow).toMatchObject({ name: "whole", dag: { nodes, onFailure: "mend" } });
    expect(Buffer.from(workflow?.inputSchema ?? [])).toEqual(Buffer.from(inputSchema));
    expect(workflow?.version).toMatch(/^[0-9a-f]{64}$/);
    // What is shown can be sent again, and is the same.
    const again = await client().createWorkflow({ name: "whole", dag: workflow?.dag, inputSchema });
    expect(again.workflow).toEqual({ ...workflow, appliedAt: again.workflow?.appliedAt });
  });

  test("is found by its client and by an admin, and by nobody else", async () => {
    const workflowId = await store(small("mine"));
    const mallory = createClient(SchedulerService, replica.as("tasks-api/mallory"));
    await expect(mallory.getWorkflow({ workflowId })).rejects.toEqual(missing);
    await expect(mallory.deleteWorkflow({ workflowId })).rejects.toEqual(missing);
    const admin = createClient(SchedulerService, replica.as("admin-api/root"));
    expect((await admin.getWorkflow({ workflowId })).workflow?.name).toBe("mine");
    await expect(client().getWorkflow({ workflowId: "x" })).rejects.toEqual(missing);
  });

  test("is listed, newest first, page by page, all or those of a name", async () => {
    const names = ["a", "b", "a", "c", "a"];
    const workflowIds: string[] = [];
    for (const [n, name] of names.entries()) {
      const config = bytes({ n });
      const workflowId = await store({ name, dag: { nodes: [{ id: "A", handler: "noop", config }] } });
      workflowIds.push(workflowId);
      await all.db.query(sql`
        update scheduler.workflow
        set created_at = created_at + ${n}::int * interval '1 second'
        where workflow_id = ${workflowId}::uuid
      `);
    }
    const listed = async (name: string) => {
      const seen: string[] = [];
      let pageToken = "";
      do {
        const page = await client().listWorkflows({ pageSize: 2, pageToken, name });
        for (const { workflowId, dag } of page.workflows) {
          expect(dag).toBeUndefined();
          seen.push(workflowId);
        }
        pageToken = page.nextPageToken;
      } while (pageToken !== "");
      return seen;
    };
    expect(await listed("")).toEqual(workflowIds.toReversed());
    expect(await listed("a")).toEqual([4, 2, 0].map((n) => workflowIds[n]));
    expect(await listed("nobody")).toEqual([]);
    const { nextPageToken: pageToken } = await client().listWorkflows({ pageSize: 1 });
    await expect(client().listWorkflows({ pageToken, name: "a" })).rejects.toThrow("is not a page token");
    await expect(client().listWorkflows({ name: "a".repeat(201) })).rejects.toThrow("name: is longer");
  });

  test("is what its name stands for when it was stored last, also a second time; one that came along with a start is not", async () => {
    const version = (n: number): Sent => ({
      name: "versions",
      dag: { nodes: [{ id: "A", handler: "noop", config: bytes({ n }) }] },
    });
    const named = async () => (await client().startRun({ workflowName: "versions" })).run?.workflowId;
    const first = await store(version(1));
    const second = await store(version(2));
    expect(await named()).toBe(second);
    expect(await store(version(1))).toBe(first);
    expect(await named()).toBe(first);
    const { name = "", dag = {} } = version(3);
    const along = await client().startRun({ workflow: { name, dag } });
    expect(await named()).toBe(first);
    const { workflows } = await client().listWorkflows({ name: "versions" });
    expect(workflows.map(({ workflowId }) => workflowId)).toEqual([first, second]);
    // It can be started by its id, and stored on purpose later.
    const { run } = await client().startRun({ workflowId: along.run?.workflowId ?? "" });
    expect(run?.workflowId).toBe(along.run?.workflowId);
    expect(await store(version(3))).toBe(along.run?.workflowId);
    expect(await named()).toBe(along.run?.workflowId);
  });

  test("that is deleted starts nothing and is in no list, while its runs go on", async () => {
    const workflowId = await store(small("gone"));
    const { run } = await client().startRun({ workflowId });
    const runId = run?.runId ?? "";
    await client().deleteWorkflow({ workflowId });
    await expect(client().getWorkflow({ workflowId })).rejects.toEqual(missing);
    await expect(client().deleteWorkflow({ workflowId })).rejects.toEqual(missing);
    await expect(client().startRun({ workflowId })).rejects.toThrow("there is no");
    await expect(client().startRun({ workflowName: "gone" })).rejects.toThrow("there is no");
    expect((await client().listWorkflows({})).workflows).toEqual([]);
    const worker = replica.fakeWorker();
    await worker.complete(await worker.takeTask(`${runId}.A`, 1));
    await until("the run has ended", async () => (await client().getRun({ runId })).run?.endedAt);
  });

  test("comes back when it is stored again, but not by the repeat of an old request", async () => {
    const requestId = randomUUID();
    const workflowId = await store({ ...small("again"), requestId });
    await client().deleteWorkflow({ workflowId });
    expect(await store({ ...small("again"), requestId })).toBe(workflowId);
    await expect(client().getWorkflow({ workflowId })).rejects.toEqual(missing);
    expect(await store(small("again"))).toBe(workflowId);
    await expect(client().getWorkflow({ workflowId })).resolves.toMatchObject({ workflow: { workflowId } });
  });

  test("is deleted once by a request and its repeats, and by no other request of that id", async () => {
    const [workflowId, other] = [await store(small("one")), await store(small("other"))];
    const requestId = randomUUID();
    const repeats = Array.from({ length: 5 }, () => client().deleteWorkflow({ workflowId, requestId }));
    await Promise.all(repeats);
    await expect(client().deleteWorkflow({ workflowId: other, requestId })).rejects.toThrow(
      "was used by another",
    );
    await expect(client().getWorkflow({ workflowId: other })).resolves.toBeDefined();
  });

  test("is not deleted as long as a schedule starts it", async () => {
    const workflowId = await store(small("scheduled"));
    const scheduleId = randomUUID();
    await all.db.query(sql`
      insert into scheduler.schedule (schedule_id, partition, client_id, name, content, paused, workflow_id)
      values (${scheduleId}::uuid, ${partitionOf(scheduleId)}, ${clientId}, 's', '', true, ${workflowId}::uuid)
    `);
    await expect(client().deleteWorkflow({ workflowId })).rejects.toThrow(`schedule ${scheduleId} starts`);
    await all.db.query(sql`delete from scheduler.schedule where schedule_id = ${scheduleId}::uuid`);
    await client().deleteWorkflow({ workflowId });
  });
});
