import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { TaskState } from "../../../gen/antiphon/scheduler/v1/task_pb.ts";
import { transcriptStreamOf } from "../../../lib/streams/transcript-stream.ts";
import { FakeWriter } from "./fake-writer.ts";
import { brokerKinds, clientOf, entriesOf, linesOf, TaskIOWorld } from "./taskio-world.ts";

describe.each(brokerKinds)("what worker and broker lost together, on %s", (kind) => {
  let world: TaskIOWorld;
  beforeEach(async () => {
    world = await TaskIOWorld.open(kind);
  });
  afterEach(async () => {
    await world[Symbol.asyncDispose]();
  });

  test("is said at the end of a task, after everything that is left", async () => {
    const running = await world.start();
    const taskId = world.scheduler.task();
    const writer = new FakeWriter(world.broker, taskId);
    await writer.write("one", "two");
    await writer.archived();
    await world.scheduler.end(taskId, 7);
    expect(linesOf(await entriesOf(clientOf(running), taskId))).toEqual([
      "1-1 one",
      "1-2 two",
      "1-7 lost from 3",
    ]);
  });

  test("is said before the next attempt begins", async () => {
    const running = await world.start();
    const client = clientOf(running);
    const taskId = world.scheduler.task();
    const reading = entriesOf(client, taskId);
    const first = new FakeWriter(world.broker, taskId, 1);
    await first.write("one");
    await first.archived();
    await world.scheduler.retry(taskId, 4);
    const second = new FakeWriter(world.broker, taskId, 2);
    await second.write("again");
    await second.archived();
    await world.scheduler.end(taskId, 1);
    const expected = ["1-1 one", "1-4 lost from 2", "2-1 again"];
    expect(linesOf(await reading)).toEqual(expected);
    expect(linesOf(await entriesOf(client, taskId))).toEqual(expected);
  });

  test("is said when all of it was lost", async () => {
    const running = await world.start();
    const taskId = world.scheduler.task();
    await world.scheduler.end(taskId, 3, TaskState.FAILED);
    expect(linesOf(await entriesOf(clientOf(running), taskId))).toEqual(["1-3 lost from 1"]);
  });

  test("is waited for while the worker may bring it again", async () => {
    const running = await world.start({ lostAfterMs: 30_000 });
    const taskId = world.scheduler.task();
    const writer = new FakeWriter(world.broker, taskId);
    const reading = entriesOf(clientOf(running), taskId);
    await writer.write("one");
    await writer.archived();
    await writer.write("two", "three");
    await world.broker.drop([transcriptStreamOf(taskId)]);
    await world.scheduler.end(taskId, 3);
    await writer.archived();
    expect(linesOf(await reading)).toEqual(["1-1 one", "1-2 two", "1-3 three"]);
  });
});
