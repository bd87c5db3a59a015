import { createClient, createRouterTransport } from "@connectrpc/connect";
import { describe, expect, test } from "vitest";
import { RunState } from "../../gen/antiphon/scheduler/v1/run_pb.ts";
import { SchedulerService } from "../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { TaskState } from "../../gen/antiphon/scheduler/v1/task_pb.ts";
import { FakeAntiphon } from "../../test/support/fake-antiphon.ts";
import { RunWatch } from "./run-watch.ts";

describe("RunWatch", () => {
  test("takes a broken stream up after the last change, each change once", async () => {
    const changes = ["A", "B", "C", "D"].map((nodeId) => ({
      nodeId,
      state: TaskState.COMPLETED,
      run: nodeId === "D" ? RunState.COMPLETED : RunState.RUNNING,
    }));
    const server = new FakeAntiphon({}, [{ run: { runId: "r1", state: RunState.RUNNING }, changes }]);
    server.breakWatchAfter = 2;
    const scheduler = createClient(SchedulerService, createRouterTransport(server.routes));
    const seen: string[] = [];
    for await (const event of new RunWatch(scheduler, ["r1"])) {
      seen.push(event.kind === "change" ? event.change.tasks.map(({ nodeId }) => nodeId).join() : event.kind);
    }
    expect(seen.filter((item) => /^[A-D]$/.test(item))).toEqual(["A", "B", "C", "D"]);
    expect(seen[0]).toBe("snapshot");
    expect(server.watchedAfter).toEqual([0, 2, 4]);
  });

  test("fails at once for a run that there is none of", async () => {
    const scheduler = createClient(SchedulerService, createRouterTransport(new FakeAntiphon().routes));
    await expect(new RunWatch(scheduler, ["r1"])[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      rawMessage: "there is no run r1",
    });
  });

  test("watches a run that is not there yet once it is", async () => {
    const childEnded = Promise.withResolvers<void>();
    const server = new FakeAntiphon({}, [
      {
        run: { runId: "parent", state: RunState.RUNNING },
        changes: [
          {
            nodeId: "A",
            state: TaskState.COMPLETED,
            run: RunState.COMPLETED,
            after: childEnded.promise,
          },
        ],
      },
    ]);
    const watch = new RunWatch(createClient(SchedulerService, createRouterTransport(server.routes)), [
      "parent",
    ]);
    watch.add("child", { mayBeMissing: true });
    const seen: string[] = [];
    for await (const event of watch) {
      if (event.kind !== "snapshot" && event.kind !== "change") continue;
      seen.push(`${event.runId} ${event.kind}`);
      if (event.runId === "child") childEnded.resolve();
      else if (event.kind === "snapshot")
        server.runs.push({ run: { runId: "child", state: RunState.COMPLETED }, changes: [] });
    }
    expect(seen).toEqual(["parent snapshot", "child snapshot", "parent change"]);
  });

  test("ends with the others when a run never comes", async () => {
    const server = new FakeAntiphon({}, [
      {
        run: { runId: "parent", state: RunState.RUNNING },
        changes: [{ nodeId: "A", state: TaskState.FAILED, run: RunState.FAILED }],
      },
    ]);
    const watch = new RunWatch(createClient(SchedulerService, createRouterTransport(server.routes)), [
      "parent",
    ]);
    watch.add("child", { mayBeMissing: true });
    const seen: string[] = [];
    for await (const event of watch) seen.push(event.kind);
    expect(seen).toEqual(["snapshot", "change"]);
  });
});
