/* A question waits as long as its program says, and is answered with nothing then: once, whoever owns the run. */
import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { ConnectError } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { TaskState } from "../../../gen/antiphon/scheduler/v1/task_pb.ts";
import type { Answered, Control } from "../../../gen/antiphon/worker/v1/assignment_pb.ts";
import { fromConnectError } from "../../../lib/rpc/from-connect-error.ts";
import type { FakeWorker, Taken } from "../../support/fake-worker.ts";
import { until as untilWithin } from "../../support/until.ts";
import { brokers, type Replica, type World, world } from "./scheduler-world.ts";

/** A clock brings it; a slow machine may take many times as long. */
const until: typeof untilWithin = async (what, holds) => await untilWithin(what, holds, 30_000);

let all: World;
let replica: Replica;

describe.each(brokers)("a question with a time, on the %s broker", (kind) => {
  beforeEach(async () => {
    all = await world(kind);
    replica = await all.replica();
  });
  afterEach(async () => await all[Symbol.asyncDispose]());

  /** A program that asks and is given a second, or as many as are said. */
  async function asking({ password = false, seconds = 1 } = {}) {
    const { task } = await replica.client.submitTask({
      program: {
        fileName: "a.py",
        content: Buffer.from("print()"),
        promptTimeout: { seconds: BigInt(seconds) },
      },
    });
    const taskId = task?.taskId ?? "";
    const worker = replica.fakeWorker();
    const taken = await worker.takeTask(taskId, 1, "program");
    await worker.report(taken, { case: "leaseRequested", value: { sealKey: new Uint8Array(32).fill(7) } });
    await worker.report(taken, { case: "started", value: {} });
    await worker.report(taken, { case: "promptOpened", value: { promptId: "p", text: "?", password } });
    return { taskId, worker, taken };
  }

  const promptOf = async (taskId: string, from = replica) => {
    const { tasks } = await from.taskStates.getTaskStates({ taskIds: [taskId] });
    return tasks[0]?.prompts[0];
  };

  const isOpen = async (taskId: string) => (await promptOf(taskId))?.closed === false;

  /** Waits while the worker keeps its lease. */
  const untilAlive: (worker: FakeWorker, ...of: Parameters<typeof until>) => Promise<unknown> = async (
    worker,
    what,
    holds,
  ) => {
    return await until(what, async () => {
      await worker.heartbeat();
      return await holds();
    });
  };

  async function answerGivenTo(worker: FakeWorker): Promise<Answered> {
    const control = await untilAlive(worker, "the worker is told an answer", async () =>
      (await worker.controls()).find(({ order }) => order.case === "answered"),
    );
    return (control as Control).order.value as Answered;
  }

  /** An answer by a person; resolves with the reason of its refusal, or "taken". */
  const answer = async (
    taskId: string,
    given: { case: "text"; value: string } | { case: "sealed"; value: Uint8Array },
  ) =>
    await replica.taskStates
      .answerPrompt({ taskId, promptId: "p", clientId: "alice", requestId: "r1", answer: given })
      .then(
        () => "taken",
        (error: unknown) => fromConnectError(error as ConnectError).reason,
      );

  const events = async (taskId: string) => {
    const { events: all } = await replica.client.listRunEvents({ runId: taskId });
    return all
      .filter(({ type }) => type === "prompt_answered")
      .map(({ details }) => JSON.parse(Buffer.from(details).toString()));
  };

  test.each([false, true])("is answered with nothing when nobody answers (secret: %j)", async (password) => {
    const { taskId, worker, taken } = await asking({ password });
    const given = await answerGivenTo(worker);
    expect(given).toMatchObject({ promptId: "p", answeredBy: "", answer: { case: "text", value: "" } });
    expect(await promptOf(taskId)).toMatchObject({ closed: true, timedOut: true, answeredBy: "" });
    const { task } = await replica.client.getTask({ taskId });
    expect(task).toMatchObject({ state: TaskState.RUNNING, openPrompts: [], promptTimeout: { seconds: 1n } });
    expect(await events(taskId)).toMatchObject([{ is_timed_out: true }]);
    const late = password
      ? ({ case: "sealed", value: new Uint8Array(8) } as const)
      : ({ case: "text", value: "late" } as const);
    expect(await answer(taskId, late)).toBe("PROMPT_CLOSED");
    // A worker that did not hear of it is told again.
    const { controls } = await worker.heartbeat([taken], { openPromptIds: ["p"] });
    expect(controls.filter(({ order }) => order.case === "answered")).toHaveLength(1);
  });

  test("keeps the answer that came in time, and nothing comes of its time", async () => {
    const { taskId, worker, taken } = await asking({ seconds: 3 });
    await until("it asks", async () => await isOpen(taskId));
    expect(await answer(taskId, { case: "text", value: "Ada" })).toBe("taken");
    expect(await answerGivenTo(worker)).toMatchObject({ answer: { case: "text", value: "Ada" } });
    const second = { case: "promptOpened", value: { promptId: "q", text: "again?" } } as const;
    await worker.report(taken, second);
    // That of the second question is over after that of the first would have been.
    expect(await answerGivenTo(worker)).toMatchObject({ promptId: "q", answer: { case: "text", value: "" } });
    expect(await events(taskId)).toMatchObject([{ prompt_id: "p" }, { prompt_id: "q", is_timed_out: true }]);
  });

  test("waits for the receipt of a sealed answer that is on its way", async () => {
    const { taskId, worker, taken } = await asking({ password: true, seconds: 3 });
    await until("it asks", async () => await isOpen(taskId));
    const { task } = await replica.client.getTask({ taskId });
    const [open] = task?.openPrompts ?? [];
    if (open?.openedAt === undefined) throw new Error("the question is not open any more");
    const answering = answer(taskId, { case: "sealed", value: new Uint8Array(8) });
    expect((await answerGivenTo(worker)).answer.case).toBe("sealed");
    const overAt = timestampDate(open.openedAt).getTime() + 3_500;
    await untilAlive(worker, "its time is over", async () => Date.now() > overAt);
    expect(await isOpen(taskId)).toBe(true);
    await receipt(worker, taken);
    expect(await answering).toBe("taken");
    expect(await promptOf(taskId)).toMatchObject({ answeredBy: "alice", timedOut: false });
    expect(await events(taskId)).toHaveLength(1);
  });

  test("is answered by the next owner when its own dies", async () => {
    const { taskId } = await asking();
    await until("it asks", async () => await isOpen(taskId));
    await replica[Symbol.asyncDispose]();
    const next = await all.replica();
    await until("its time is over", async () => (await promptOf(taskId, next))?.closed);
    expect(await promptOf(taskId, next)).toMatchObject({ timedOut: true });
  });

  test("has its time while its run is paused, too", async () => {
    const { taskId, worker } = await asking();
    await replica.client.pauseRun({ runId: taskId });
    expect(await answerGivenTo(worker)).toMatchObject({ answeredBy: "" });
  });
});

async function receipt(worker: FakeWorker, taken: Taken): Promise<void> {
  const value = { promptId: "p", answeredBy: "alice", requestId: "r1" };
  await worker.report(taken, { case: "sealedAnswerReceived", value });
}
