import { randomUUID } from "node:crypto";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RunState } from "../../../gen/antiphon/scheduler/v1/run_pb.ts";
import { TaskState } from "../../../gen/antiphon/scheduler/v1/task_pb.ts";
import { FailurePolicy, type NodeSchema } from "../../../gen/antiphon/scheduler/v1/workflow_pb.ts";
import type { Taken } from "../../support/fake-worker.ts";
import { until } from "../../support/until.ts";
import { brokers, bytes, type Replica, valueOf, type World, world } from "./scheduler-world.ts";

type NodeInit = Omit<MessageInitShape<typeof NodeSchema>, "config" | "$typeName"> & {
  readonly config?: unknown;
};

/** A node as the contract has it; `noop` unless said otherwise. */
const node = (id: string, { config = {}, ...more }: NodeInit = {}) => ({
  id,
  handler: "noop",
  config: bytes(config),
  ...more,
});

const nameOf = (state: TaskState) => Object.entries(TaskState).find(([, value]) => value === state)?.[0];

const seconds = (value: number) => ({
  seconds: BigInt(Math.floor(value)),
  nanos: Math.round((value % 1) * 1e9),
});

describe.each(brokers)("with the %s broker", (kind) => {
  let all: World;
  let replica: Replica;

  beforeAll(async () => {
    all = await world(kind);
    replica = await all.replica();
  });
  afterAll(async () => await all[Symbol.asyncDispose]());

  async function start(
    nodes: ReturnType<typeof node>[],
    more: { input?: unknown; hold?: boolean; onFailure?: string } = {},
  ) {
    const { run } = await replica.client.startRun({
      workflow: { name: "test", dag: { nodes, onFailure: more.onFailure ?? "" } },
      input: bytes(more.input ?? {}),
      hold: more.hold ?? false,
    });
    return run?.runId ?? "";
  }

  async function runOf(runId: string) {
    const { run } = await replica.client.getRun({ runId });
    if (run === undefined) throw new Error("an answer without a run");
    return run;
  }

  /** Undefined for a run that is not there yet. */
  const stateOf = async (runId: string) =>
    await runOf(runId)
      .then(({ state }) => state)
      .catch(() => undefined);

  const taskOf = async (runId: string, nodeId: string) =>
    (await runOf(runId)).tasks.find((task) => task.nodeId === nodeId);

  async function ended(runId: string) {
    return await until(`run ${runId} has ended`, async () => {
      const run = await runOf(runId);
      return run.endedAt === undefined ? undefined : run;
    });
  }

  async function statesOf(runId: string) {
    const { tasks } = await runOf(runId);
    return Object.fromEntries(tasks.map(({ nodeId, state }) => [nodeId, nameOf(state)]));
  }

  async function outputOf(runId: string, nodeId: string): Promise<unknown> {
    return valueOf((await replica.client.getRunResults({ runId })).results[nodeId]);
  }

  const failed = async (
    worker: ReturnType<Replica["fakeWorker"]>,
    taken: Taken,
    more: { reason?: string; nonRetryable?: boolean; retryDelay?: ReturnType<typeof seconds> } = {},
  ) =>
    await worker.report(taken, {
      case: "ended",
      value: { outcome: { case: "failed", value: { reason: "BROKEN", message: "no luck", ...more } } },
    });

  test("retries a failure as often as the policy says, and hands each attempt out once", async () => {
    const worker = replica.fakeWorker();
    const retry = { maxAttempts: 3, initialDelay: seconds(0.02), jitter: 0 };
    const runId = await start([node("A", { retry }), node("B", { dependencies: ["A"] })]);
    for (const attempt of [1, 2]) await failed(worker, await worker.takeTask(`${runId}.A`, attempt));
    await worker.complete(await worker.takeTask(`${runId}.A`, 3), { n: 3 });
    await worker.complete(await worker.takeTask(`${runId}.B`, 1));
    const run = await ended(runId);
    expect(run.state).toBe(RunState.COMPLETED);
    const task = run.tasks.find(({ nodeId }) => nodeId === "A");
    expect(task).toMatchObject({ attempt: 3, failedAttempts: 2, lastFailure: { reason: "BROKEN" } });
  });

  test("tries no more after a final failure, and fails the run with it", async () => {
    const worker = replica.fakeWorker();
    const retry = { maxAttempts: 5, initialDelay: seconds(0.01), nonRetryable: ["FATAL"] };
    const runId = await start([
      node("A", { retry }),
      node("B", { retry }),
      node("C", { dependencies: ["A", "B"] }),
    ]);
    await failed(worker, await worker.takeTask(`${runId}.A`, 1), { nonRetryable: true });
    await failed(worker, await worker.takeTask(`${runId}.B`, 1), { reason: "FATAL" });
    const run = await ended(runId);
    expect(run).toMatchObject({ state: RunState.FAILED, failure: { reason: "BROKEN", nodeId: "A" } });
    expect(await statesOf(runId)).toEqual({ A: "FAILED", B: "FAILED", C: "SKIPPED" });
  });

  test("waits as long as the failing handler says", async () => {
    const worker = replica.fakeWorker();
    const retry = { maxAttempts: 2, initialDelay: seconds(3_600) };
    const runId = await start([node("A", { retry })]);
    await failed(worker, await worker.takeTask(`${runId}.A`, 1), { retryDelay: seconds(0.05) });
    await worker.complete(await worker.takeTask(`${runId}.A`, 2));
    expect((await ended(runId)).state).toBe(RunState.COMPLETED);
  });

  test("ends an attempt that takes too long, tells its worker, and counts nothing that comes of it", async () => {
    const worker = replica.fakeWorker();
    const retry = { maxAttempts: 2, initialDelay: seconds(0.01) };
    const runId = await start([node("A", { retry, timeout: seconds(0.2) })]);
    const first = await worker.takeTask(`${runId}.A`, 1);
    await worker.report(first, { case: "started", value: {} });
    const second = await worker.takeTask(`${runId}.A`, 2);
    await until("the worker is told", async () =>
      (await worker.controls()).find(({ order, attempt }) => order.case === "leaseLost" && attempt === 1),
    );
    await worker.complete(first, { late: true });
    await worker.complete(second, { late: false });
    await ended(runId);
    expect(await outputOf(runId, "A")).toEqual({ late: false });
  });

  test("fails a task that no worker takes in time", async () => {
    const runId = await start([
      node("A", {
        handler: "program",
        config: { file_name: "a.py", source: "1" },
        queueTimeout: seconds(0.1),
      }),
    ]);
    expect(await ended(runId)).toMatchObject({
      state: RunState.FAILED,
      failure: { reason: "QUEUE_TIMEOUT" },
    });
  });

  test("skips what a condition rules out, and joins branches of which one was taken", async () => {
    const worker = replica.fakeWorker();
    const runId = await start([
      node("A"),
      node("B", { dependencies: ["A"], when: "A.n > 3" }),
      node("C", { dependencies: ["A"], when: "A.n <= 3" }),
      node("D", { dependencies: ["B", "C"], config: { b: '{{ B.x | default("none") }}', c: "{{ C.x }}" } }),
      node("E", { dependencies: ["B"] }),
    ]);
    await worker.complete(await worker.takeTask(`${runId}.A`, 1), { n: 2 });
    await worker.complete(await worker.takeTask(`${runId}.C`, 1), { x: "taken" });
    const d = await worker.takeTask(`${runId}.D`, 1);
    expect(valueOf(d.assignment.config)).toEqual({ b: "none", c: "taken" });
    await worker.complete(d);
    expect((await ended(runId)).state).toBe(RunState.COMPLETED);
    expect(await statesOf(runId)).toMatchObject({ B: "SKIPPED", E: "SKIPPED", D: "COMPLETED" });
  });

  test("bears a failure that is to be borne, and carries the node for failures out only when the run fails", async () => {
    const worker = replica.fakeWorker();
    const runId = await start(
      [
        node("A", { onFailure: FailurePolicy.CONTINUE }),
        node("B", {
          dependencies: ["A"],
          config: { a: "{{ nodes.A.status }}", why: "{{ nodes.A.error.reason }}" },
        }),
        node("H"),
      ],
      { onFailure: "H" },
    );
    await failed(worker, await worker.takeTask(`${runId}.A`, 1));
    const b = await worker.takeTask(`${runId}.B`, 1);
    expect(valueOf(b.assignment.config)).toEqual({ a: "failed", why: "BROKEN" });
    await failed(worker, b);
    // B fails the run, so H comes.
    const h = await worker.takeTask(`${runId}.H`, 1);
    expect((await runOf(runId)).state).toBe(RunState.RUNNING);
    await worker.complete(h);
    expect(await ended(runId)).toMatchObject({ state: RunState.FAILED, failure: { nodeId: "B" } });
  });

  test("carries a node out per item, as many at once as allowed, with results in order", async () => {
    const worker = replica.fakeWorker();
    const runId = await start(
      [
        node("A", {
          forEach: { items: bytes("{{ input.list }}"), maxParallel: 2 },
          config: { v: "{{ item.v }}", i: "{{ run.item_index }}" },
        }),
        node("B", { dependencies: ["A"], config: { all: "{{ A }}", second: "{{ A[1].twice }}" } }),
      ],
      { input: { list: [{ v: 1 }, { v: 2 }, { v: 3 }] } },
    );
    const first = await worker.takeTask(`${runId}.A.0`, 1);
    const second = await worker.takeTask(`${runId}.A.1`, 1);
    expect(worker.taken.has(`${runId}.A.2#1`)).toBe(false);
    expect(valueOf(second.assignment.config)).toEqual({ v: 2, i: 1 });
    await worker.complete(second, { twice: 4 });
    await worker.complete(await worker.takeTask(`${runId}.A.2`, 1), { twice: 6 });
    await worker.complete(first, { twice: 2 });
    const b = await worker.takeTask(`${runId}.B`, 1);
    expect(valueOf(b.assignment.config)).toEqual({
      all: [{ twice: 2 }, { twice: 4 }, { twice: 6 }],
      second: 4,
    });
    await worker.complete(b);
    expect((await ended(runId)).state).toBe(RunState.COMPLETED);
  });

  test("sleeps without a worker, and gives signals to whoever waits for them, now or later", async () => {
    const runId = await start([
      node("S", { handler: "sleep", config: { duration: "50ms" } }),
      node("W", { handler: "wait_for_signal", config: { signal: "paid" } }),
      node("L", { handler: "wait_for_signal", dependencies: ["W"], config: { signal: "later" } }),
    ]);
    const requestId = randomUUID();
    const later = { runId, name: "later", payload: bytes({ n: 2 }), requestId };
    await replica.client.signalRun(later);
    await replica.client.signalRun(later);
    await expect(replica.client.signalRun({ ...later, payload: bytes({ n: 3 }) })).rejects.toMatchObject({
      code: Code.AlreadyExists,
    });
    await replica.client.signalRun({ runId, name: "paid", payload: bytes({ n: 1 }) });
    expect((await ended(runId)).state).toBe(RunState.COMPLETED);
    expect(await outputOf(runId, "W")).toMatchObject({ payload: { n: 1 }, sent_by: "alice" });
    expect(await outputOf(runId, "L")).toMatchObject({ payload: { n: 2 } });
    await expect(replica.client.signalRun({ runId, name: "paid" })).rejects.toMatchObject({
      code: Code.FailedPrecondition,
    });
  });

  test("asks for an approval without a process, takes one answer, and says so in the transcript", async () => {
    const runId = await start([
      node("Q", { handler: "approval", config: { prompt: "Deploy?" } }),
      node("B", { dependencies: ["Q"], when: "Q.approved" }),
    ]);
    const task = await taskOf(runId, "Q");
    expect(task).toMatchObject({ state: TaskState.WAITING_FOR_INPUT, openPrompts: [{ text: "Deploy?" }] });
    const promptId = task?.openPrompts[0]?.promptId ?? "";
    const answer = (text: string) =>
      replica.taskStates.answerPrompt({
        taskId: `${runId}.Q`,
        promptId,
        clientId: "alice",
        requestId: randomUUID(),
        answer: { case: "text", value: text },
      });
    await expect(answer("perhaps")).rejects.toMatchObject({ code: Code.InvalidArgument });
    await answer("no");
    await expect(answer("yes")).rejects.toMatchObject({ code: Code.FailedPrecondition });
    expect((await ended(runId)).state).toBe(RunState.COMPLETED);
    expect(await outputOf(runId, "Q")).toMatchObject({ approved: false, answered_by: "alice" });
    expect(await statesOf(runId)).toMatchObject({ B: "SKIPPED" });
    const entries = await until("the transcript is written", async () => {
      const found = await all.broker.range(`antiphon:io:{${runId}.Q}`, { after: "0-0", count: 10 });
      return found.length === 2 ? found : undefined;
    });
    expect(entries.map(({ id }) => id)).toEqual(["1-1", "1-2"]);
  });

  test("starts a workflow as a node, gives its results, and cancels it with its parent", async () => {
    const name = `child-${randomUUID()}`;
    await replica.client.createWorkflow({
      name,
      dag: { nodes: [node("X", { config: { from: "{{ input.x }}" } })] },
    });
    const parent = [
      node("P", { handler: "workflow", config: { workflow_name: name, input: { x: 7 } } }),
      node("Q", { dependencies: ["P"], config: { x: "{{ P.results.X.y }}" } }),
    ];
    const worker = replica.fakeWorker();
    const runId = await start(parent);
    const childRunId = (await taskOf(runId, "P"))?.childRunId ?? "";
    const x = await worker.takeTask(`${childRunId}.X`, 1);
    expect(valueOf(x.assignment.config)).toEqual({ from: 7 });
    await worker.complete(x, { y: 8 });
    const q = await worker.takeTask(`${runId}.Q`, 1);
    expect(valueOf(q.assignment.config)).toEqual({ x: 8 });
    await worker.complete(q);
    expect((await ended(runId)).state).toBe(RunState.COMPLETED);
    expect((await runOf(childRunId)).parentRunId).toBe(runId);

    const cancelled = await start(parent);
    const child = (await taskOf(cancelled, "P"))?.childRunId ?? "";
    await worker.takeTask(`${child}.X`, 1);
    await replica.client.cancelRun({ runId: cancelled });
    expect((await ended(cancelled)).state).toBe(RunState.CANCELLED);
    expect((await ended(child)).state).toBe(RunState.CANCELLED);
  });

  test("bounds how deep a workflow that starts itself goes", async () => {
    const name = `self-${randomUUID()}`;
    const nodes = [node("P", { handler: "workflow", config: { workflow_name: name } })];
    await replica.client.createWorkflow({ name, dag: { nodes } });
    const { run } = await replica.client.startRun({ workflowName: name });
    const failed = await ended(run?.runId ?? "");
    expect(failed).toMatchObject({ state: RunState.FAILED, failure: { reason: "CHILD_FAILED" } });
  });

  test("fails a node whose workflow is not there", async () => {
    const runId = await start([node("P", { handler: "workflow", config: { workflow_name: "nowhere" } })]);
    expect(await ended(runId)).toMatchObject({
      state: RunState.FAILED,
      failure: { reason: "WORKFLOW_NOT_FOUND" },
    });
  });

  test("starts nothing of a held run and nothing more of a paused one until it is resumed", async () => {
    const worker = replica.fakeWorker();
    const runId = await start([node("A"), node("B", { dependencies: ["A"] })], { hold: true });
    expect((await runOf(runId)).state).toBe(RunState.PENDING);
    expect(await statesOf(runId)).toEqual({ A: "PENDING", B: "PENDING" });
    await replica.client.resumeRun({ runId });
    const a = await worker.takeTask(`${runId}.A`, 1);
    await replica.client.pauseRun({ runId });
    await replica.client.pauseRun({ runId });
    await worker.complete(a);
    await until("A completed", async () => (await statesOf(runId))["A"] === "COMPLETED");
    expect(await runOf(runId)).toMatchObject({ state: RunState.PAUSED });
    expect(await statesOf(runId)).toMatchObject({ B: "PENDING" });
    await replica.client.resumeRun({ runId });
    await worker.complete(await worker.takeTask(`${runId}.B`, 1));
    expect((await ended(runId)).state).toBe(RunState.COMPLETED);
  });

  test("repeats a run from what did not complete, with the outputs that are kept", async () => {
    const worker = replica.fakeWorker();
    const runId = await start([
      node("A"),
      node("B", { dependencies: ["A"], config: { a: "{{ A.n }}" } }),
      node("C", { dependencies: ["B"] }),
    ]);
    await expect(replica.client.rerunRun({ runId, fromFailed: true })).rejects.toMatchObject({
      code: Code.FailedPrecondition,
    });
    await worker.complete(await worker.takeTask(`${runId}.A`, 1), { n: 1 });
    await failed(worker, await worker.takeTask(`${runId}.B`, 1));
    await ended(runId);
    const requestId = randomUUID();
    const { run } = await replica.client.rerunRun({ runId, fromFailed: true, requestId });
    expect((await replica.client.rerunRun({ runId, fromFailed: true, requestId })).run?.runId).toBe(
      run?.runId,
    );
    const again = run?.runId ?? "";
    expect(run).toMatchObject({ rerunOf: runId });
    const b = await worker.takeTask(`${again}.B`, 1);
    expect(valueOf(b.assignment.config)).toEqual({ a: 1 });
    await worker.complete(b);
    await worker.complete(await worker.takeTask(`${again}.C`, 1));
    expect((await ended(again)).state).toBe(RunState.COMPLETED);
    expect(await outputOf(again, "A")).toEqual({ n: 1 });
    await expect(replica.client.rerunRun({ runId: again, requestId })).rejects.toMatchObject({
      code: Code.AlreadyExists,
    });
    await replica.client.deleteRun({ runId });
    const repeated = await replica.client.rerunRun({ runId, fromFailed: true, requestId });
    expect(repeated.run?.runId).toBe(again);
    await expect(replica.client.rerunRun({ runId, fromFailed: true })).rejects.toMatchObject({
      code: Code.NotFound,
    });
    await expect(replica.client.rerunRun({ runId: "none" })).rejects.toMatchObject({ code: Code.NotFound });
  });

  test("refuses a start whose input is not as the workflow wants it, with the path", async () => {
    const schema = { type: "object", required: ["n"], properties: { n: { type: "integer" } } };
    const request = { name: "typed", dag: { nodes: [node("A")] }, inputSchema: bytes(schema) };
    await expect(
      replica.client.startRun({ workflow: request, input: bytes({ n: "one" }) }),
    ).rejects.toMatchObject({ code: Code.InvalidArgument, rawMessage: expect.stringContaining("input.n") });
    const { run } = await replica.client.startRun({ workflow: request, input: bytes({ n: 1 }) });
    expect(run?.state).toBe(RunState.RUNNING);
  });

  test("hands out anew at once what a worker gives back, and counts no attempt as lost", async () => {
    const worker = replica.fakeWorker();
    const runId = await start([node("A")]);
    // More often than attempts may be lost.
    for (let attempt = 1; attempt <= 12; attempt += 1) {
      const taken = await worker.takeTask(`${runId}.A`, attempt);
      await worker.report(taken, { case: "started", value: {} });
      await worker.report(taken, { case: "released", value: {} });
    }
    await worker.complete(await worker.takeTask(`${runId}.A`, 13));
    expect((await ended(runId)).state).toBe(RunState.COMPLETED);
  });

  test("hands a task only to workers of its queue that have its labels", async () => {
    const runId = await start([node("A", { queue: "gpu", labels: { zone: "eu", size: "big" } })]);
    const worker = replica.fakeWorker();
    expect(await worker.take("noop", { queue: "gpu" })).toEqual([]);
    expect(await worker.take("noop", { queue: "gpu", labels: { zone: "eu" } })).toEqual([]);
    await until("it is in its stream", async () => {
      await worker.take("noop", { queue: "gpu", labels: { size: "big", zone: "eu" } });
      return worker.taken.get(`${runId}.A#1`);
    });
  });

  test("goes on with sleeps, retries, approvals and sub-runs after a take-over", async () => {
    const name = `child-${randomUUID()}`;
    await replica.client.createWorkflow({
      name,
      dag: { nodes: [node("X", { handler: "wait_for_signal", config: { signal: "go" } })] },
    });
    const runId = await start([
      node("S", { handler: "sleep", config: { duration: "3s" } }),
      node("P", { handler: "workflow", config: { workflow_name: name } }),
      node("Q", { handler: "approval" }),
    ]);
    const childRunId = (await taskOf(runId, "P"))?.childRunId ?? "";
    await until("the child runs", async () => (await stateOf(childRunId)) === RunState.RUNNING);
    const former = replica;
    replica = await all.replica();
    await former[Symbol.asyncDispose]();
    const requestId = randomUUID();
    await until("the other replica owns the child", async () => {
      const sent = replica.client.signalRun({ runId: childRunId, name: "go", requestId });
      return await sent.then(() => true).catch(() => false);
    });
    const promptId = (await taskOf(runId, "Q"))?.openPrompts[0]?.promptId ?? "";
    await replica.taskStates.answerPrompt({
      taskId: `${runId}.Q`,
      promptId,
      clientId: "alice",
      requestId: randomUUID(),
      answer: { case: "text", value: "yes" },
    });
    expect((await ended(runId)).state).toBe(RunState.COMPLETED);
  });
});
