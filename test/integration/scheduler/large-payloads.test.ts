import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { RunState } from "../../../gen/antiphon/scheduler/v1/run_pb.ts";
import { logger } from "../../../lib/log/log.ts";
import { sql } from "../../../lib/postgres/sql.ts";
import { worker } from "../../../services/worker/worker.ts";
import { until } from "../../support/until.ts";
import { brokers, bytes, type Replica, valueOf, type World, world } from "./scheduler-world.ts";

/** What may go through the broker at once: 64 KiB and what is around it. */
const maxMessageBytes = 70_000;

describe.each(brokers)("with the %s broker", (kind) => {
  const stack = new AsyncDisposableStack();
  let all: World;
  let replica: Replica;

  beforeAll(async () => {
    all = stack.use(await world(kind));
    replica = await all.replica();
    stack.use(
      await worker({
        broker: all.broker,
        scheduler: replica.as("workers-api/worker"),
        isolation: { kind: "unusable", reason: "not needed", mend: "" },
        settings: {
          workerId: "worker",
          stream: "workflow:tasks",
          queues: [""],
          labels: {},
          group: "workflow_group",
          slots: 8,
          callSlots: 0,
          programSlots: 0,
          drainMs: 0,
        },
        calls: { allowedHosts: [], llm: undefined },
        standIns: false,
        log: logger("test", "silent"),
      }),
    );
  });
  afterAll(async () => await stack.disposeAsync());

  async function run(
    nodes: { id: string; dependencies?: string[]; forEach?: { items: Uint8Array }; config: unknown }[],
    input: unknown,
  ) {
    const dag = {
      nodes: nodes.map(({ config, ...node }) => ({ ...node, handler: "noop", config: bytes(config) })),
    };
    const started = await replica.client.startRun({ workflow: { name: "large", dag }, input: bytes(input) });
    const runId = started.run?.runId ?? "";
    return await until("the run has ended", async () => {
      const { run: found } = await replica.client.getRun({ runId });
      return found?.endedAt === undefined ? undefined : found;
    });
  }

  test("large outputs and configs go by pointer, and nothing of them through the broker", async () => {
    const publish = vi.spyOn(all.broker, "publish");
    const x = "x".repeat(60_000);
    const ended = await run(
      [
        { id: "A", config: { all: ["{{ input.x }}", "{{ input.x }}", "{{ input.x }}"] } },
        { id: "B", dependencies: ["A"], config: { again: "{{ A.all }}", small: "{{ A.all[1] }}" } },
        { id: "C", dependencies: ["B"], config: { size: "{{ B.again[2] }}" } },
      ],
      { x },
    );
    expect(ended.state).toBe(RunState.COMPLETED);
    const { results } = await replica.client.getRunResults({ runId: ended.runId });
    expect(valueOf(results["A"])).toEqual({ all: [x, x, x] });
    expect(valueOf(results["B"])).toEqual({ again: [x, x, x], small: x });
    expect(valueOf(results["C"])).toEqual({ size: x });
    const sizes = publish.mock.calls.flatMap(([publications]) => publications.map(({ body }) => body.length));
    expect(sizes.length).toBeGreaterThan(0);
    expect(Math.max(...sizes)).toBeLessThan(maxMessageBytes);
    await until("what history holds is not kept twice", async () => {
      const [row] = await all.db.query<{ count: number }>(
        sql`select count(*)::int as count from scheduler.payload`,
      );
      return row?.count === 0;
    });
  });

  test("items that give the same large output all complete", async () => {
    const items = Array.from({ length: 60 }, (_, index) => index);
    const config = { all: ["{{ input.x }}", "{{ input.x }}"] };
    const ended = await run([{ id: "A", config, forEach: { items: bytes(items) } }], {
      x: "x".repeat(40_000),
    });
    expect(ended.failure?.message).toBeUndefined();
    expect(ended.state).toBe(RunState.COMPLETED);
  });

  test("an output over the bound fails its node", async () => {
    const config = Object.fromEntries(
      Array.from({ length: 20 }, (_, index) => [`k${index}`, "{{ input.x }}"]),
    );
    const ended = await run([{ id: "A", config }], { x: "x".repeat(60_000) });
    expect(ended).toMatchObject({ state: RunState.FAILED, failure: { reason: "TEMPLATE_FAILED" } });
  });
});
