import { afterAll, beforeAll, expect, test } from "vitest";
import { sql } from "../../../lib/postgres/sql.ts";
import { until } from "../../support/until.ts";
import { bytes, type Replica, type World, world } from "./scheduler-world.ts";

let all: World;
let replica: Replica;

beforeAll(async () => {
  all = await world("memory");
  replica = await all.replica();
});
afterAll(async () => await all[Symbol.asyncDispose]());

const program = { fileName: "a.py", content: new TextEncoder().encode("print()") };

test("the status tells of active tasks, of room for programs, and of the machine", async () => {
  const { client } = replica;
  const status = async () => await client.getServerStatus({});
  expect(await status()).toMatchObject({ activeTasks: 0n, pendingTasks: 0n, programSlots: 0n });
  const worker = replica.fakeWorker();
  await worker.heartbeat([]);
  await replica.fakeWorker().heartbeat([]);
  expect((await status()).programSlots).toBe(8n);
  const [taskId = ""] = await Promise.all(
    [1, 2, 3].map(async () => (await client.submitTask({ program })).task?.taskId),
  );
  const dag = { nodes: [{ id: "A", handler: "noop", config: bytes({}) }] };
  await client.startRun({ workflow: { name: "w", dag } });
  expect(await status()).toMatchObject({ activeTasks: 3n, pendingTasks: 3n });
  const taken = await worker.takeTask(taskId, 1, "program");
  await worker.report(taken, { case: "leaseRequested", value: { sealKey: new Uint8Array(32) } });
  await until("it waits no more", async () => (await status()).pendingTasks === 2n);
  expect((await status()).activeTasks).toBe(3n);
  await client.cancelTask({ taskId: (await client.listTasks({})).tasks[0]?.taskId ?? "" });
  const { activeTasks, cpuCount, cpuPercent, totalMemory, usedMemory } = await status();
  expect(activeTasks).toBeGreaterThanOrEqual(2n);
  expect(cpuCount).toBeGreaterThan(0);
  expect(cpuPercent).toBeGreaterThanOrEqual(0);
  expect(cpuPercent).toBeLessThanOrEqual(100);
  expect(usedMemory > 0n && usedMemory < totalMemory).toBe(true);
  await all.db.query(sql`update scheduler.worker set last_seen_at = now() - interval '1 hour'`);
  expect((await status()).programSlots).toBe(0n);
});
