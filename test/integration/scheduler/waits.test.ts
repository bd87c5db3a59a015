import { afterAll, beforeAll, expect, test } from "vitest";
import { until } from "../../support/until.ts";
import { bytes, type Replica, type World, world } from "./scheduler-world.ts";

let all: World;
let replica: Replica;

beforeAll(async () => {
  all = await world("memory");
  replica = await all.replica();
});
afterAll(async () => await all[Symbol.asyncDispose]());

const node = (id: string, dependencies: string[] = []) => ({
  id,
  handler: "noop",
  dependencies,
  config: bytes({}),
});

test("a run and its tasks say what they wait for, and lists and news do not", async () => {
  const { workflow } = await replica.client.createWorkflow({
    name: "test",
    dag: { nodes: [node("A"), node("B", ["A"])] },
  });
  const { run: started } = await replica.client.startRun({ workflowId: workflow?.workflowId ?? "" });
  const runId = started?.runId ?? "";
  const waits = async () => {
    const [{ run }, { task }] = await Promise.all([
      replica.client.getRun({ runId }),
      replica.client.getTask({ taskId: `${runId}.A` }),
    ]);
    return {
      run: run?.waits.map(({ reason, taskId }) => `${taskId} ${reason}`),
      tasks: run?.tasks.map(({ wait }) => wait?.reason),
      task: task?.wait?.reason,
    };
  };
  expect(await waits()).toEqual({
    run: [`${runId}.A NO_WORKER`],
    tasks: ["NO_WORKER", undefined],
    task: "NO_WORKER",
  });
  const worker = replica.fakeWorker();
  await worker.heartbeat([]);
  expect(await waits()).toEqual({
    run: [`${runId}.A WORKER_BUSY`],
    tasks: ["WORKER_BUSY", undefined],
    task: "WORKER_BUSY",
  });

  const { tasks } = await replica.client.listTasks({ runId });
  const { runs } = await replica.client.listRuns({});
  expect([...tasks.map(({ wait }) => wait), ...runs.flatMap((run) => run.waits)]).toEqual([
    undefined,
    undefined,
  ]);
  const taken = await worker.takeTask(`${runId}.A`, 1);
  await worker.heartbeat([taken]);
  await until("it is carried out", async () => (await waits()).task === undefined);
  expect(await waits()).toEqual({ run: [], tasks: [undefined, undefined], task: undefined });
});
