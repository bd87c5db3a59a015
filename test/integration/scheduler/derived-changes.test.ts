import { createClient } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RunEvent, RunState } from "../../../gen/antiphon/scheduler/v1/run_pb.ts";
import { SchedulerService } from "../../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { TaskState } from "../../../gen/antiphon/scheduler/v1/task_pb.ts";
import { until } from "../../support/until.ts";
import { bytes, type Replica, valueOf, type World, world } from "./scheduler-world.ts";

const nameOf = (states: Readonly<Record<string, number>>, state: number) =>
  Object.entries(states).find(([, value]) => value === state)?.[0] ?? "";

describe("the history of a run", () => {
  let all: World;
  let replica: Replica;

  beforeAll(async () => {
    all = await world("memory");
    replica = await all.replica();
  });
  afterAll(async () => await all[Symbol.asyncDispose]());

  const node = (id: string, dependencies: string[] = [], config: unknown = {}) => ({
    id,
    handler: "noop",
    dependencies,
    config: bytes(config),
  });

  async function start(nodes: ReturnType<typeof node>[]): Promise<string> {
    const { workflow } = await replica.client.createWorkflow({ name: "test", dag: { nodes } });
    const { run } = await replica.client.startRun({
      workflowId: workflow?.workflowId ?? "",
      input: bytes({ userKey: { innerKey: 1 } }),
      labels: { camelCase: "x" },
    });
    return run?.runId ?? "";
  }

  async function ended(runId: string) {
    return await until("the run has ended", async () => {
      const { run } = await replica.client.getRun({ runId });
      return run?.endedAt === undefined ? undefined : run;
    });
  }

  async function eventsOf(runId: string, pageSize: number, withChanges = true): Promise<RunEvent[]> {
    const events: RunEvent[] = [];
    let pageToken = "";
    do {
      const page = await replica.client.listRunEvents({ runId, pageSize, pageToken, withChanges });
      events.push(...page.events);
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    return events;
  }

  /** `A QUEUED 1` of a task, `RUN FAILED` of the run. */
  const shown = (runId: string, { changes }: RunEvent) =>
    changes.map(({ taskId, taskState, attempt, runState }) =>
      taskId === ""
        ? `RUN ${nameOf(RunState, runState)}`
        : `${taskId.slice(runId.length + 1)} ${nameOf(TaskState, taskState)} ${attempt}`,
    );

  test("shows with each fact what followed from it, and without being asked to the facts alone", async () => {
    const runId = await start([
      node("A"),
      node("B", ["A"]),
      node("C", ["B"], { x: "{{ B.y }}" }),
      node("D", ["C"]),
    ]);
    const worker = replica.fakeWorker();
    await worker.complete(await worker.takeTask(`${runId}.A`, 1));
    await worker.complete(await worker.takeTask(`${runId}.B`, 1), { z: 1 });
    await ended(runId);
    const events = await eventsOf(runId, 100);
    expect(events.map((event) => [event.type, event.nodeId, shown(runId, event)])).toEqual([
      ["run_started", "", ["A QUEUED 1", "RUN RUNNING"]],
      ["task_ended", "A", ["A COMPLETED 1", "B QUEUED 1"]],
      ["task_ended", "B", ["B COMPLETED 1", "C FAILED 0", "D SKIPPED 0", "RUN FAILED"]],
    ]);
    const [, , last] = events;
    expect(last?.changes.map(({ failure }) => failure?.reason ?? "")).toEqual([
      "",
      "TEMPLATE_FAILED",
      "DEPENDENCY_FAILED",
      "TEMPLATE_FAILED",
    ]);
    const facts = await eventsOf(runId, 100, false);
    expect(facts).toEqual(events.map((event) => ({ ...event, changes: [] })));
  });

  test("is the same however it is divided into pages, and brings every task to where it stands", async () => {
    const ids = Array.from({ length: 30 }, (_, n) => `n${n}`);
    const runId = await start(ids.map((id, n) => node(id, n < 5 ? [] : [`n${n - 5}`, `n${n - 3}`])));
    const worker = replica.fakeWorker();
    for (const id of ids) await worker.complete(await worker.takeTask(`${runId}.${id}`, 1), { id });
    const run = await ended(runId);
    const whole = await eventsOf(runId, 1_000);
    expect(whole).toHaveLength(31);
    for (const pageSize of [1, 7, 31]) expect(await eventsOf(runId, pageSize)).toEqual(whole);
    const states = new Map<string, TaskState>();
    for (const { changes } of whole) {
      for (const { taskId, taskState } of changes) if (taskId !== "") states.set(taskId, taskState);
    }
    expect(Object.fromEntries(states)).toEqual(
      Object.fromEntries(run.tasks.map((task) => [task.taskId, task.state])),
    );
  });

  test("shows what belongs to a fact, users' values as they are, and no rights, keys or answers", async () => {
    const { task } = await replica.client.submitTask({
      program: { fileName: "a.py", content: Buffer.from("input()") },
      input: bytes({ innerKey: 1 }),
    });
    const taskId = task?.taskId ?? "";
    const worker = replica.fakeWorker();
    const taken = await worker.takeTask(taskId, 1, "program");
    await worker.report(taken, { case: "leaseRequested", value: { sealKey: new Uint8Array(32).fill(7) } });
    await worker.report(taken, {
      case: "promptOpened",
      value: { promptId: "p", text: "name?", password: false },
    });
    await until("the question is open", async () => {
      const { task: standing } = await replica.client.getTask({ taskId });
      return standing?.openPrompts.length === 1;
    });
    await replica.taskStates.answerPrompt({
      taskId,
      promptId: "p",
      clientId: "alice",
      requestId: "r",
      answer: { case: "text", value: "the answer" },
    });
    const events = await eventsOf(taskId, 100);
    expect(events.map(({ type }) => type)).toEqual([
      "run_started",
      "task_leased",
      "prompt_opened",
      "prompt_answered",
    ]);
    const details = events.map((event) => valueOf(event.details));
    expect(details[0]).toMatchObject({ client_id: "alice", input: { innerKey: 1 } });
    expect(details[1]).toEqual({ lease: { worker_id: worker.workerId } });
    expect(details[3]).toMatchObject({ answered_by: "alice", prompt_id: "p" });
    expect(JSON.stringify(details)).not.toContain("the answer");
    expect(JSON.stringify(details)).not.toContain(taken.leaseToken);
  });

  test("keeps users' keys in input and labels", async () => {
    const runId = await start([node("A")]);
    const [started] = await eventsOf(runId, 1);
    expect(valueOf(started?.details)).toMatchObject({
      input: { userKey: { innerKey: 1 } },
      labels: { camelCase: "x" },
    });
  });

  test("is not shown to another client", async () => {
    const runId = await start([node("A")]);
    const mallory = createClient(SchedulerService, replica.as("tasks-api/mallory"));
    await expect(mallory.listRunEvents({ runId, withChanges: true })).rejects.toThrow("there is no such run");
  });

  test("comes in pages that stay messages although outputs are large", async () => {
    const ids = Array.from({ length: 150 }, (_, n) => `n${n}`);
    const runId = await start(ids.map((id) => node(id)));
    const worker = replica.fakeWorker();
    const output = "x".repeat(60_000);
    for (const id of ids) await worker.complete(await worker.takeTask(`${runId}.${id}`, 1), output);
    await ended(runId);
    const page = await replica.client.listRunEvents({ runId, pageSize: 1_000 });
    expect(page.nextPageToken).not.toBe("");
    expect(await eventsOf(runId, 1_000)).toHaveLength(151);
  });
});
