import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { TaskState } from "../../../gen/antiphon/scheduler/v1/task_pb.ts";
import { FakeWriter } from "./fake-writer.ts";
import { brokerKinds, clientOf, entriesOf, linesOf, newsOf, TaskIOWorld } from "./taskio-world.ts";

describe.each(brokerKinds)("a watch on %s", (kind) => {
  let world: TaskIOWorld;
  beforeEach(async () => {
    world = await TaskIOWorld.open(kind);
  });
  afterEach(async () => {
    await world[Symbol.asyncDispose]();
  });

  test("begins with the snapshot and ends after the last entry and the final state", async () => {
    const running = await world.start();
    const taskId = world.scheduler.task();
    const writer = new FakeWriter(world.broker, taskId);
    const news: string[] = [];
    for await (const each of newsOf(clientOf(running), taskId)) {
      news.push(each.case === "stateChanged" ? `state ${each.value.state}` : (each.case ?? ""));
      if (each.case === "snapshot") await writer.write("one", "two");
      if (news.filter((name) => name === "entry").length === 2 && news.length === 3) {
        await world.scheduler.end(taskId, 3);
        await writer.write("three");
      }
    }
    expect(news).toEqual(["snapshot", "entry", "entry", "entry", `state ${TaskState.COMPLETED}`, "end"]);
    expect(running.load()).toEqual({ feeds: 0, watchings: 0 });
  });

  test("brings everything again to those who come later, from any cursor", async () => {
    const running = await world.start();
    const client = clientOf(running);
    const taskId = world.scheduler.task();
    const writer = new FakeWriter(world.broker, taskId);
    for (let i = 0; i < 10; i++) await writer.write(`line ${i}`);
    await world.scheduler.end(taskId, 10);
    await writer.archived();
    expect(linesOf(await entriesOf(client, taskId))).toHaveLength(10);
    expect(linesOf(await entriesOf(client, taskId, "1-7"))).toEqual([
      "1-8 line 7",
      "1-9 line 8",
      "1-10 line 9",
    ]);
    expect(await entriesOf(client, taskId, "1-10")).toEqual([]);
    expect(await entriesOf(client, taskId, "7-999")).toEqual([]);
  });
});
