import { Code } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { TaskState } from "../../../gen/antiphon/scheduler/v1/task_pb.ts";
import { fromConnectError } from "../../../lib/rpc/from-connect-error.ts";
import type { RunningTaskIO } from "../../../services/taskio/taskio.ts";
import { FakeWriter } from "./fake-writer.ts";
import { brokerKinds, clientOf, linesOf, type TaskIOClient, TaskIOWorld } from "./taskio-world.ts";

const wait = { seconds: 30n };

describe.each(brokerKinds)("GetTranscript on %s", (kind) => {
  let world: TaskIOWorld;
  let running: RunningTaskIO;
  let client: TaskIOClient;
  beforeEach(async () => {
    world = await TaskIOWorld.open(kind);
    running = await world.start();
    client = clientOf(running);
  });
  afterEach(async () => {
    await world[Symbol.asyncDispose]();
  });

  /** Asks and waits, and makes news as soon as it is waited for. */
  async function whileWaiting(taskId: string, makeNews: () => Promise<void>) {
    const answer = client.getTranscript({ taskId, wait });
    await vi.waitFor(() => expect(running.load().watchings).toBe(1), 10_000);
    await makeNews();
    const answered = await answer;
    expect(running.load()).toEqual({ feeds: 0, watchings: 0 });
    return answered;
  }

  test("waits for an entry", async () => {
    const taskId = world.scheduler.task();
    const writer = new FakeWriter(world.broker, taskId);
    const answer = await whileWaiting(taskId, async () => await writer.write("at last"));
    expect(linesOf(answer.entries)).toEqual(["1-1 at last"]);
    expect(answer).toMatchObject({ nextAfter: "1-1", ended: false, snapshot: { state: TaskState.RUNNING } });
  });

  test("waits for another state", async () => {
    const taskId = world.scheduler.task();
    const answer = await whileWaiting(taskId, async () => {
      await world.scheduler.change(taskId, (state) => (state.state = TaskState.WAITING_FOR_INPUT));
    });
    expect(answer).toMatchObject({
      entries: [],
      nextAfter: "",
      ended: false,
      snapshot: { state: TaskState.WAITING_FOR_INPUT },
    });
  });

  test("waits for the end, and tells why the task failed", async () => {
    const taskId = world.scheduler.task();
    const answer = await whileWaiting(taskId, async () => {
      await world.scheduler.change(taskId, (state) => {
        state.state = TaskState.FAILED;
        state.lastSeqs[1] = 0;
        state.failure = {
          $typeName: "antiphon.scheduler.v1.Failure",
          reason: "SIGNAL",
          message: "killed",
          nodeId: "main",
        };
      });
    });
    expect(answer).toMatchObject({ entries: [], ended: true, failure: { reason: "SIGNAL" } });
  });

  test("answers without entries when the wait is over", async () => {
    const answer = await client.getTranscript({
      taskId: world.scheduler.task(),
      wait: { nanos: 100_000_000 },
    });
    expect(answer).toMatchObject({ entries: [], nextAfter: "", ended: false });
  });

  test("does not say that a task has ended before its last entry was answered", async () => {
    const taskId = world.scheduler.task();
    const writer = new FakeWriter(world.broker, taskId);
    await writer.write("one", "two");
    await world.scheduler.end(taskId, 3);
    const first = await client.getTranscript({ taskId });
    expect(first).toMatchObject({ nextAfter: "1-2", ended: false });
    await writer.write("three");
    const second = await client.getTranscript({ taskId, after: first.nextAfter, wait });
    expect(linesOf(second.entries)).toEqual(["1-3 three"]);
    expect(second.ended).toBe(true);
  });

  test("answers fewer entries than asked for when they are large", async () => {
    const taskId = world.scheduler.task();
    const writer = new FakeWriter(world.broker, taskId);
    for (let number = 0; number < 100; number++) await writer.write("x".repeat(60_000));
    await world.scheduler.end(taskId, 100);
    const sizes: number[] = [];
    let after = "";
    for (let ended = false; !ended; ) {
      const page = await client.getTranscript({ taskId, after, pageSize: 1_000 });
      sizes.push(page.entries.length);
      ({ nextAfter: after, ended } = page);
    }
    expect(sizes[0]).toBeGreaterThan(60);
    expect(sizes[0]).toBeLessThan(71);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(100);
  });

  test("and the watches refuse malformed requests by path", async () => {
    const taskId = world.scheduler.task();
    const tasks = [{ taskId }, { taskId: "x", after: "2-" }, { taskId }];
    const calls = [
      client.getTranscript({ taskId, after: "latest", pageSize: -1 }),
      client.watch({ tasks })[Symbol.asyncIterator]().next(),
      client.watch({})[Symbol.asyncIterator]().next(),
      client.sendInput({ taskId, text: "é".repeat(32_769) }),
    ];
    const paths = (await Promise.allSettled(calls)).map((outcome) => {
      if (outcome.status === "fulfilled") throw new Error("a malformed request was accepted");
      const { reason, code, faults } = fromConnectError(outcome.reason);
      expect([reason, code]).toEqual(["FIELD_INVALID", Code.InvalidArgument]);
      return faults.map(({ path }) => path);
    });
    expect(paths).toEqual([["after", "page_size"], ["tasks[1].after"], ["tasks"], ["prompt_id", "text"]]);
  });
});
