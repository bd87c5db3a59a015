import { createClient, createRouterTransport } from "@connectrpc/connect";
import { describe, expect, test } from "vitest";
import { RunState } from "../../gen/antiphon/scheduler/v1/run_pb.ts";
import { SchedulerService } from "../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { TaskState } from "../../gen/antiphon/scheduler/v1/task_pb.ts";
import { FailurePolicy } from "../../gen/antiphon/scheduler/v1/workflow_pb.ts";
import { FakeAntiphon, type FakeRun } from "../../test/support/fake-antiphon.ts";
import { Antiphon } from "./antiphon.ts";
import { Run } from "./run.ts";

const runId = "r1";

describe("Run", () => {
  test("waits for the end and answers what the nodes gave", async () => {
    const { run } = start(RunState.COMPLETED);
    expect(await run.wait()).toEqual({ A: { x: 1 } });
  });

  test("rejects waiting for a run that failed, with the run", async () => {
    const { run } = start(RunState.FAILED);
    await expect(run.wait()).rejects.toMatchObject({ name: "RunNotCompleted", run: { runId } });
  });

  test("steers, signals and repeats it", async () => {
    const { run, server } = start(RunState.COMPLETED);
    await run.pause();
    await run.resume();
    await run.signal("go", { a: 1 });
    expect((await run.rerun({ fromFailed: true })).id).toBe(runId);
    await run.cancel();
    await run.delete();
    expect(server.asked.map(({ method }) => method)).toEqual([
      "pauseRun",
      "resumeRun",
      "signalRun",
      "rerunRun",
      "cancelRun",
      "deleteRun",
    ]);
    expect(server.asked[2]?.request).toMatchObject({
      name: "go",
      payload: new TextEncoder().encode('{"a":1}'),
    });
    expect(server.asked[3]?.request).toMatchObject({ fromFailed: true });
  });

  test("reads its history over pages", async () => {
    const { run } = start(RunState.COMPLETED);
    const seqs: number[] = [];
    for await (const { seq } of run.events()) seqs.push(seq);
    expect(seqs).toEqual([1, 2, 3]);
  });
});

describe("Antiphon.start", () => {
  test("sends a definition along with all that a run can be given, each request under an id", async () => {
    const server = new FakeAntiphon({}, [aRun(RunState.COMPLETED)]);
    await using serving = await server.listen();
    using antiphon = new Antiphon({ url: serving.url, credentials: { clientId: "c1", clientSecret: "s1" } });
    const node = { id: "A", handler: "noop", config: { x: 1 }, timeoutMs: 1_500 };
    const workflow = {
      name: "w",
      nodes: [{ ...node, onFailure: "continue" as const, forEach: { items: [1, 2], maxParallel: 1 } }],
    };
    const run = await antiphon.start(workflow, { input: { n: 1 }, labels: { a: "b" }, priority: 3 });
    expect(run.id).toBe(runId);
    const request = server.asked[0]?.request as { workflow: { dag: { nodes: unknown[] } } };
    expect(request).toMatchObject({
      labels: { a: "b" },
      priority: 3,
      requestId: expect.stringMatching(/^.{36}$/),
    });
    expect(request.workflow.dag.nodes).toMatchObject([
      { id: "A", onFailure: FailurePolicy.CONTINUE, timeout: { seconds: 1n, nanos: 500_000_000 } },
    ]);
  });

  test("watches many runs over one stream, and those that are added", async () => {
    const server = new FakeAntiphon({}, [
      aRun(RunState.COMPLETED),
      { ...aRun(RunState.FAILED), run: { runId: "r2", state: RunState.RUNNING } },
    ]);
    await using serving = await server.listen();
    using antiphon = new Antiphon({ url: serving.url, credentials: { clientId: "c1", clientSecret: "s1" } });
    const watch = antiphon.watchRuns(["r1"]);
    const seen: string[] = [];
    for await (const event of watch) {
      if (event.kind !== "snapshot" && event.kind !== "change") continue;
      seen.push(`${event.runId} ${event.kind}`);
      if (event.kind === "snapshot") watch.add("r2");
    }
    expect(seen.toSorted()).toEqual(["r1 change", "r1 snapshot", "r2 change", "r2 snapshot"]);
  });
});

function start(state: RunState) {
  const server = new FakeAntiphon({}, [aRun(state)]);
  const scheduler = createClient(SchedulerService, createRouterTransport(server.routes));
  return { server, run: new Run(scheduler, runId) };
}

function aRun(state: RunState): FakeRun {
  return {
    run: { runId, state: RunState.RUNNING },
    changes: [{ nodeId: "A", state: TaskState.COMPLETED, run: state }],
    results: { A: { x: 1 } },
  };
}
