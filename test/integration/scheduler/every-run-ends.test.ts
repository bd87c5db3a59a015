import { Code, type ConnectError, createClient } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RunState } from "../../../gen/antiphon/scheduler/v1/run_pb.ts";
import { SchedulerService } from "../../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { type Task, TaskState } from "../../../gen/antiphon/scheduler/v1/task_pb.ts";
import type { Answered } from "../../../gen/antiphon/worker/v1/assignment_pb.ts";
import { fromConnectError } from "../../../lib/rpc/from-connect-error.ts";
import { until } from "../../support/until.ts";
import { brokers, bytes, leaseMs, type Replica, valueOf, type World, world } from "./scheduler-world.ts";

type NodeInit = readonly [id: string, dependencies?: readonly string[], config?: unknown, handler?: string];

const dag = (...nodes: NodeInit[]) => ({
  nodes: nodes.map(([id, dependencies = [], config = {}, handler = "noop"]) => ({
    id,
    handler,
    dependencies: [...dependencies],
    config: bytes(config),
  })),
});

const nameOf = (state: TaskState) =>
  Object.entries(TaskState).find(([, value]) => value === state)?.[0] ?? "";

const statesOf = (tasks: readonly Task[]) =>
  Object.fromEntries(tasks.map((task) => [task.nodeId, nameOf(task.state)]));

describe.each(brokers)("with the %s broker", (kind) => {
  let all: World;
  let replica: Replica;

  beforeAll(async () => {
    all = await world(kind);
    replica = await all.replica();
  });
  afterAll(async () => await all[Symbol.asyncDispose]());

  async function start(...nodes: NodeInit[]): Promise<string> {
    const { workflow } = await replica.client.createWorkflow({ name: "test", dag: dag(...nodes) });
    const { run } = await replica.client.startRun({ workflowId: workflow?.workflowId ?? "" });
    return run?.runId ?? "";
  }

  async function runOf(runId: string) {
    const { run } = await replica.client.getRun({ runId });
    if (run === undefined) throw new Error("an answer without a run");
    return run;
  }

  async function ended(runId: string) {
    return await until(`run ${runId} has ended`, async () => {
      const run = await runOf(runId);
      return run.endedAt === undefined ? undefined : run;
    });
  }

  test("carries a diamond out in order, with outputs where templates name them", async () => {
    const runId = await start(
      ["A", [], { n: 1 }],
      ["B", ["A"], { from: "{{ A.n }}" }],
      ["C", ["A"], {}],
      ["D", ["B", "C"], { text: "got {{ B.from }}" }],
    );
    const worker = replica.fakeWorker();
    await worker.complete(await worker.takeTask(`${runId}.A`, 1), { n: 1 });
    const b = await worker.takeTask(`${runId}.B`, 1);
    const c = await worker.takeTask(`${runId}.C`, 1);
    expect(valueOf(b.assignment.config)).toEqual({ from: 1 });
    expect(statesOf((await runOf(runId)).tasks)).toMatchObject({ A: "COMPLETED", D: "PENDING" });
    await worker.complete(b, { from: 1 });
    await worker.complete(c);
    const d = await worker.takeTask(`${runId}.D`, 1);
    expect(valueOf(d.assignment.config)).toEqual({ text: "got 1" });
    await worker.complete(d, "done");
    expect((await ended(runId)).state).toBe(RunState.COMPLETED);
    const { results } = await replica.client.getRunResults({ runId });
    expect(valueOf(results["D"])).toBe("done");
  });

  test("hands a fan-in out once however its parents' reports are doubled and reordered", async () => {
    const runId = await start(["B"], ["C"], ["D", ["B", "C"]]);
    const worker = replica.fakeWorker();
    const b = await worker.takeTask(`${runId}.B`, 1);
    const c = await worker.takeTask(`${runId}.C`, 1);
    await Promise.all([
      worker.complete(c, 1, 1),
      worker.complete(b, 2, 1),
      worker.complete(c, 1, 1),
      worker.complete(b, 2, 1),
    ]);
    await worker.complete(await worker.takeTask(`${runId}.D`, 1));
    await ended(runId);
    const { events } = await replica.client.listRunEvents({ runId });
    expect(events.map(({ type, nodeId }) => `${type} ${nodeId}`)).toEqual([
      "run_started ",
      expect.stringMatching(/^task_ended [BC]$/),
      expect.stringMatching(/^task_ended [BC]$/),
      "task_ended D",
    ]);
    expect(await worker.take()).toEqual([]);
  });

  test("fails the run of a failed node and skips what depends on it, and nothing else", async () => {
    const runId = await start(["A"], ["B", ["A"]], ["C", ["B"]], ["Z"]);
    const worker = replica.fakeWorker();
    const failed = { reason: "HANDLER_FAILED", message: "it broke" };
    await worker.report(await worker.takeTask(`${runId}.A`, 1), {
      case: "ended",
      value: { outcome: { case: "failed", value: failed } },
    });
    await worker.complete(await worker.takeTask(`${runId}.Z`, 1));
    const run = await ended(runId);
    expect(run.state).toBe(RunState.FAILED);
    expect(run.failure).toMatchObject({ ...failed, nodeId: "A" });
    expect(statesOf(run.tasks)).toEqual({ A: "FAILED", B: "SKIPPED", C: "SKIPPED", Z: "COMPLETED" });
    expect(run.tasks.find(({ nodeId }) => nodeId === "C")?.failure).toMatchObject({
      reason: "DEPENDENCY_FAILED",
      nodeId: "A",
    });
  });

  test("fails a node whose template has no value, and says which", async () => {
    const runId = await start(["A"], ["B", ["A"], { x: "{{ A.missing }}" }]);
    const worker = replica.fakeWorker();
    await worker.complete(await worker.takeTask(`${runId}.A`, 1), {});
    const run = await ended(runId);
    expect(run.failure).toMatchObject({ reason: "TEMPLATE_FAILED", nodeId: "B" });
    expect(run.failure?.message).toContain("{{ A.missing }}");
  });

  test("ends a run that is cancelled before any worker came, and takes no report of it afterwards", async () => {
    const runId = await start(["A"], ["B", ["A"]]);
    const worker = replica.fakeWorker();
    const taken = await worker.takeTask(`${runId}.A`, 1);
    const { run } = await replica.client.cancelRun({ runId });
    expect(run?.state).toBe(RunState.CANCELLED);
    expect(statesOf(run?.tasks ?? [])).toEqual({ A: "CANCELLED", B: "CANCELLED" });
    await worker.complete(taken);
    await until("the worker is told", async () =>
      (await worker.controls()).some(({ order }) => order.case === "leaseLost"),
    );
    expect((await runOf(runId)).state).toBe(RunState.CANCELLED);
    const again = await replica.client.cancelRun({ runId });
    expect(again.run?.state).toBe(RunState.CANCELLED);
  });

  test("tells the worker that holds a task of a cancelled run, and ends with its report", async () => {
    const runId = await start(["A"], ["B", ["A"]]);
    const worker = replica.fakeWorker();
    const taken = await worker.takeTask(`${runId}.A`, 1);
    await worker.report(taken, { case: "leaseRequested", value: { sealKey: new Uint8Array(32) } });
    await until("the lease is granted", async () =>
      (await worker.controls()).some(({ order }) => order.case === "granted"),
    );
    const { run } = await replica.client.cancelRun({ runId });
    expect(run?.state).toBe(RunState.RUNNING);
    expect(run?.cancelRequested).toBe(true);
    await until("the worker is told", async () =>
      (await worker.controls()).some(({ order }) => order.case === "cancelRequested"),
    );
    await worker.report(taken, { case: "ended", value: { outcome: { case: "cancelled", value: {} } } });
    expect((await ended(runId)).state).toBe(RunState.CANCELLED);
  });

  test("hands work out again that was taken and never heard of", async () => {
    const runId = await start(["A"]);
    const lost = replica.fakeWorker();
    await lost.takeTask(`${runId}.A`, 1);
    const worker = replica.fakeWorker();
    await worker.complete(await worker.takeTask(`${runId}.A`, 1, "noop", leaseMs * 8));
    expect((await ended(runId)).state).toBe(RunState.COMPLETED);
  });

  test("opens the next attempt when a worker with a lease falls silent, and takes no report of the old one", async () => {
    const runId = await start(["A"]);
    const silent = replica.fakeWorker();
    const old = await silent.takeTask(`${runId}.A`, 1);
    await silent.report(old, { case: "started", value: {} });
    const worker = replica.fakeWorker();
    const next = await worker.takeTask(`${runId}.A`, 2, "noop", leaseMs * 8);
    await silent.complete(old, "from the old attempt");
    await worker.complete(next, "from the new attempt");
    await ended(runId);
    const { results } = await replica.client.getRunResults({ runId });
    expect(valueOf(results["A"])).toBe("from the new attempt");
    expect((await silent.controls()).map(({ order }) => order.case)).toContain("leaseLost");
  });

  test("keeps a lease as long as heartbeats name it", async () => {
    const runId = await start(["A"]);
    const worker = replica.fakeWorker();
    const taken = await worker.takeTask(`${runId}.A`, 1);
    const endAt = performance.now() + leaseMs * 3;
    while (performance.now() < endAt) {
      const { renewed } = await worker.heartbeat([taken]);
      expect(renewed).toMatchObject([{ taskId: `${runId}.A`, attempt: 1 }]);
      await new Promise((resolve) => setTimeout(resolve, leaseMs / 5));
    }
    await worker.complete(taken);
    expect((await ended(runId)).tasks[0]?.attempt).toBe(1);
  });

  test("ends the leases of a worker's former process as soon as the next registers", async () => {
    const runId = await start(["A"]);
    const former = replica.fakeWorker("restarting");
    const old = await former.takeTask(`${runId}.A`, 1);
    await former.heartbeat([old]);
    await former.report(old, { case: "started", value: {} });
    await until("it runs", async () => (await runOf(runId)).tasks[0]?.state === TaskState.RUNNING);
    const next = replica.fakeWorker("restarting");
    await next.heartbeat([]);
    await next.complete(await next.takeTask(`${runId}.A`, 2, "noop", leaseMs / 2));
    expect((await ended(runId)).state).toBe(RunState.COMPLETED);
    await expect(former.heartbeat([old])).rejects.toMatchObject({ code: Code.FailedPrecondition });
  });

  test("repeats in a heartbeat's answer what got lost on the way to the worker", async () => {
    const { task } = await replica.client.submitTask({
      program: { fileName: "a.py", content: bytes("print()") },
    });
    const taskId = task?.taskId ?? "";
    const worker = replica.fakeWorker();
    const taken = await worker.takeTask(taskId, 1, "program");
    await worker.report(taken, { case: "leaseRequested", value: { sealKey: new Uint8Array(32) } });
    await until(
      "the lease is held",
      async () => (await replica.client.getTask({ taskId })).task?.state === TaskState.STARTING,
    );
    const granted = await worker.heartbeat([taken], { awaitsGrant: true });
    expect(granted.controls.map(({ order }) => order.case)).toEqual(["granted", "confirmed"]);
    taken.confirmed = 1;
    await worker.report(taken, { case: "started", value: {} });
    await worker.report(taken, { case: "promptOpened", value: { promptId: "p", text: "name? " } });
    await until(
      "it asks",
      async () => (await replica.client.getTask({ taskId })).task?.openPrompts.length === 1,
    );
    const answer = {
      taskId,
      promptId: "p",
      clientId: "alice",
      requestId: "r1",
      answer: { case: "text", value: "Ada" },
    } as const;
    await replica.taskStates.answerPrompt(answer);
    await replica.client.cancelTask({ taskId });
    const { controls } = await worker.heartbeat([taken], { openPromptIds: ["p"] });
    expect(controls.map(({ order }) => order.case)).toEqual(["confirmed", "answered", "cancelRequested"]);
    await worker.report(taken, { case: "ended", value: { outcome: { case: "cancelled", value: {} } } });
    await until(
      "it ended",
      async () => (await replica.client.getTask({ taskId })).task?.state === TaskState.CANCELLED,
    );
  });

  test("ends every run although the broker loses all its contents in the middle", async () => {
    const runIds = await Promise.all(
      Array.from({ length: 20 }, async () => await start(["A"], ["B", ["A"]])),
    );
    const worker = replica.fakeWorker();
    await worker.heartbeat([]);
    const first = await until("some work is there", async () => {
      const taken = await worker.take();
      return taken.length > 0 && taken;
    });
    await worker.complete(first[0] ?? (await worker.takeTask(`${runIds[0]}.A`, 1)));
    const streams: string[] = [];
    for await (const stream of all.broker.streams("")) streams.push(stream);
    await all.broker.drop(streams);
    // Redis forgets the pulse with everything else; the memory broker keeps counters.
    await until(
      "all runs have ended",
      async () => {
        for (const taken of await worker.take()) await worker.complete(taken);
        for (const taken of worker.taken.values()) await worker.complete(taken, {}, 1);
        const { runs } = await replica.client.listRuns({ states: [RunState.RUNNING], pageSize: 1000 });
        return runs.every(({ runId }) => !runIds.includes(runId));
      },
      leaseMs * 12,
    );
    for (const runId of runIds) expect((await runOf(runId)).state).toBe(RunState.COMPLETED);
  });

  test("watches runs: the run as it stands, each change once, and an end", async () => {
    const runId = await start(["A"], ["B", ["A"]]);
    const seen: string[] = [];
    const watching = (async () => {
      for await (const { seq, news } of replica.client.watchRun({ runs: [{ runId }] })) {
        const tasks = news.case === "snapshot" || news.case === "change" ? news.value.tasks : [];
        seen.push(
          `${seq} ${news.case} ${tasks.map((task) => `${task.nodeId}:${nameOf(task.state)}`).join(" ")}`,
        );
      }
    })();
    await until("the snapshot is there", () => seen.length === 1);
    const worker = replica.fakeWorker();
    await worker.complete(await worker.takeTask(`${runId}.A`, 1));
    await worker.complete(await worker.takeTask(`${runId}.B`, 1));
    await watching;
    expect(seen).toEqual([
      "1 snapshot A:QUEUED B:PENDING",
      "2 change A:COMPLETED B:QUEUED",
      "3 change B:COMPLETED",
    ]);
    const resumed: number[] = [];
    for await (const { seq } of replica.client.watchRun({ runs: [{ runId, afterSeq: 2 }] }))
      resumed.push(seq);
    expect(resumed).toEqual([3]);
  });

  // A change that was decided before a watcher came, and committed after, was passed on to nobody.
  test("brings every watcher to the end of its run, however the watch falls into the commits", async () => {
    const worker = replica.fakeWorker();
    const working = new AbortController();
    const work = (async () => {
      while (!working.signal.aborted) {
        for (const taken of await worker.take("noop", { waitMs: 20 })) await worker.complete(taken);
      }
    })();
    for (let round = 0; round < 80; round += 1) {
      const runId = await start(["A"], ["B", ["A"]]);
      const seqs: number[] = [];
      for await (const { seq } of replica.client.watchRun({ runs: [{ runId }] }, { timeoutMs: 5_000 }))
        seqs.push(seq);
      expect(seqs.at(-1)).toBe(3);
      expect(seqs).toEqual(seqs.toSorted((a, b) => a - b));
    }
    working.abort();
    await work;
  });

  test("knows a repeated request, and refuses another with its id", async () => {
    const { workflow } = await replica.client.createWorkflow({
      name: "twice",
      dag: dag(["A"]),
      requestId: "w-1",
    });
    const workflowId = workflow?.workflowId ?? "";
    const [first, second] = await Promise.all([
      replica.client.startRun({ workflowId, requestId: "s-1", labels: { a: "1", b: "2" } }),
      // Some clients draw the order of labels with each request.
      replica.client.startRun({ workflowId, requestId: "s-1", labels: { b: "2", a: "1" } }),
    ]);
    expect(first.run?.runId).toBe(second.run?.runId);
    const worker = replica.fakeWorker();
    await worker.complete(await worker.takeTask(`${first.run?.runId}.A`, 1));
    await ended(first.run?.runId ?? "");
    const late = await replica.client.startRun({
      workflowId,
      requestId: "s-1",
      labels: { b: "2", a: "1" },
    });
    expect(late.run?.state).toBe(RunState.COMPLETED);
    const other = replica.client.startRun({ workflowId, requestId: "s-1", input: bytes({ x: 1 }) });
    await expect(other).rejects.toMatchObject({ code: Code.AlreadyExists });
    await expect(
      replica.client.createWorkflow({ name: "other", dag: dag(["A"]), requestId: "w-1" }),
    ).rejects.toMatchObject({ code: Code.AlreadyExists });
  });

  test("knows a repeated submission, at once and after its end, and stays the owner of its partition", async () => {
    const request = { program: { fileName: "a.py", content: bytes("pass") }, requestId: "p-1" };
    const [first, second] = await Promise.all([
      replica.client.submitTask(request),
      replica.client.submitTask(request),
    ]);
    const taskId = first.task?.taskId ?? "";
    expect(second.task?.taskId).toBe(taskId);
    await replica.client.cancelTask({ taskId });
    await ended(taskId);
    expect((await replica.client.submitTask(request)).task?.state).toBe(TaskState.CANCELLED);
    const other = { program: { fileName: "b.py", content: bytes("pass") }, requestId: "p-1" };
    await expect(replica.client.submitTask(other)).rejects.toMatchObject({ code: Code.AlreadyExists });
  });

  test("answers a prompt once: the first wins, a repeat is known, the next is refused", async () => {
    const { task } = await replica.client.submitTask({
      program: { fileName: "a.py", content: bytes("print()") },
    });
    const taskId = task?.taskId ?? "";
    const worker = replica.fakeWorker();
    const taken = await worker.takeTask(taskId, 1, "program");
    await worker.report(taken, { case: "leaseRequested", value: { sealKey: new Uint8Array(32) } });
    await worker.report(taken, { case: "started", value: {} });
    await worker.report(taken, { case: "promptOpened", value: { promptId: "p", text: "?" } });
    await until(
      "it asks",
      async () => (await replica.client.getTask({ taskId })).task?.openPrompts.length === 1,
    );
    const answer = (requestId: string, value: string) =>
      replica.taskStates.answerPrompt({
        taskId,
        promptId: "p",
        clientId: "alice",
        requestId,
        answer: { case: "text", value },
      });
    await answer("r1", "Ada");
    await answer("r1", "Ada");
    const refusals = await Promise.allSettled([answer("r2", "Bob"), answer("r1", "Eve")]);
    const reasons = refusals.map(
      (one) => one.status === "rejected" && fromConnectError(one.reason as ConnectError).reason,
    );
    expect(reasons).toEqual(["PROMPT_CLOSED", "REQUEST_ID_REUSED"]);
    const answered = await until("the worker gets it", async () =>
      (await worker.controls()).find(({ order }) => order.case === "answered"),
    );
    expect(answered.order.value).toMatchObject({ promptId: "p", answer: { case: "text", value: "Ada" } });
    await worker.complete(taken);
  });

  test("closes the prompt of a secret with the worker's receipt, and stores nothing of it", async () => {
    const { task } = await replica.client.submitTask({
      program: { fileName: "a.py", content: bytes("print()") },
    });
    const taskId = task?.taskId ?? "";
    const worker = replica.fakeWorker();
    const taken = await worker.takeTask(taskId, 1, "program");
    await worker.report(taken, { case: "leaseRequested", value: { sealKey: new Uint8Array(32).fill(7) } });
    await worker.report(taken, { case: "promptOpened", value: { promptId: "p", text: "?", password: true } });
    await until(
      "it asks",
      async () => (await replica.client.getTask({ taskId })).task?.openPrompts.length === 1,
    );
    const sealed = new TextEncoder().encode("sealed-secret-bytes");
    const answering = replica.taskStates.answerPrompt({
      taskId,
      promptId: "p",
      clientId: "alice",
      requestId: "r1",
      answer: { case: "sealed", value: sealed },
    });
    const order = await until("the worker gets it", async () =>
      (await worker.controls()).find(({ order: { case: kindOf } }) => kindOf === "answered"),
    );
    const { answer } = order.order.value as Answered;
    expect(Buffer.from(answer.value as Uint8Array)).toEqual(Buffer.from(sealed));
    expect((await replica.client.getTask({ taskId })).task?.openPrompts).toHaveLength(1);
    await worker.report(taken, {
      case: "sealedAnswerReceived",
      value: { promptId: "p", answeredBy: "alice", requestId: "r1" },
    });
    await answering;
    expect((await replica.client.getTask({ taskId })).task?.openPrompts).toHaveLength(0);
    const rows = await all.db.query<{ found: boolean }>({
      text: "select position('sealed-secret'::bytea in payload) > 0 as found from scheduler.run_event where run_id = $1::uuid",
      values: [taskId],
    });
    expect(rows.some(({ found }) => found)).toBe(false);
    await worker.complete(taken);
  });

  test("shows nothing of another client's, and everything to an admin", async () => {
    const runId = await start(["A"]);
    const mallory = createClient(SchedulerService, replica.as("tasks-api/mallory"));
    const admin = createClient(SchedulerService, replica.as("admin-api/root"));
    for (const call of [
      () => mallory.getRun({ runId }),
      () => mallory.cancelRun({ runId }),
      () => mallory.getRunResults({ runId }),
      () => mallory.listRunEvents({ runId }),
      () => mallory.listTasks({ runId }),
      () => mallory.getTask({ taskId: `${runId}.A` }),
    ]) {
      await expect(call()).rejects.toMatchObject({ code: Code.NotFound });
    }
    expect((await mallory.listRuns({})).runs).toEqual([]);
    expect((await admin.getRun({ runId })).run?.runId).toBe(runId);
    const worker = replica.fakeWorker();
    await worker.complete(await worker.takeTask(`${runId}.A`, 1));
  });
});
