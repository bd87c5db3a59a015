import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Isolation } from "../../../services/worker/isolation.ts";
import { until } from "../../support/until.ts";
import { WorkerWorld } from "./worker-world.ts";

const noSandbox: Isolation = {
  kind: "unusable",
  reason: "bwrap is missing",
  mend: "apt-get install bubblewrap",
};

let world: WorkerWorld;

describe.each(["memory", "redis"] as const)("a worker on the %s broker", (kind) => {
  beforeEach(async () => {
    world = await WorkerWorld.open(kind, noSandbox);
  });

  afterEach(async () => {
    await world[Symbol.asyncDispose]();
  });

  test("gives the config of a noop back, in one report", async () => {
    await world.startWorker();
    const attempt = await world.owner.assign("noop", { answer: 42 });
    const { outcome, lastSeq } = await world.ended(attempt);
    expect(outcome.case).toBe("output");
    expect(Buffer.from(outcome.value as Uint8Array).toString()).toBe('{"answer":42}');
    expect(lastSeq).toBe(0);
    expect(attempt.report).toBe(1);
  });

  test("carries out far more tasks than it has slots", async () => {
    await world.startWorker({ slots: 4 });
    const attempts = await Promise.all(
      Array.from({ length: 500 }, (_, n) => world.owner.assign("noop", { n })),
    );
    await until("all have ended", () => attempts.every(({ ended }) => ended !== undefined));
    expect(attempts.filter(({ ended }) => ended?.outcome.case === "output")).toHaveLength(500);
    await until("nothing is held", () => world.owner.heartbeats.at(-1)?.attempts.length === 0);
  });

  test("repeats a report with the same number until it is confirmed", async () => {
    await world.startWorker();
    world.owner.isDeaf = true;
    const attempt = await world.owner.assign("noop", {});
    await until("it is taken", () => world.owner.heartbeats.at(-1)?.attempts.length === 1);
    await world.loseBroker();
    world.owner.isDeaf = false;
    await world.ended(attempt);
    await until("it is forgotten", () => world.owner.heartbeats.at(-1)?.attempts.length === 0);
    expect(new Set(world.owner.arrived.map(({ number }) => number))).toEqual(new Set([1]));
  });

  test("does an attempt once although it is handed out twice", async () => {
    await world.startWorker();
    world.owner.isDeaf = true;
    const attempt = await world.owner.assign("noop", {});
    await world.owner.republish(attempt, "noop", {});
    await until("it is taken", () => world.owner.heartbeats.at(-1)?.attempts.length === 1);
    const mark = await world.owner.assign("noop", { last: true });
    world.owner.isDeaf = false;
    await world.ended(mark);
    const tokens = world.owner.arrived
      .filter(({ taskId }) => taskId === attempt.taskId)
      .map(({ leaseToken }) => leaseToken);
    expect(new Set(tokens).size).toBe(1);
  });

  test("ignores an order of a lower epoch than it has seen", async () => {
    await world.startWorker();
    world.owner.epoch = 5n;
    await world.ended(await world.owner.assign("noop", {}));
    world.owner.isDeaf = true;
    world.owner.losesControls = false;
    const attempt = await world.owner.assign("noop", {});
    await until("it is held", () =>
      world.owner.heartbeats.at(-1)?.attempts.some(({ taskId }) => taskId === attempt.taskId),
    );
    const lost = { case: "leaseLost", value: { $typeName: "antiphon.worker.v1.LeaseLost" } } as const;
    attempt.workerId = "worker-under-test";
    await world.owner.order(attempt, lost, 4n);
    const beats = world.owner.heartbeats.length;
    await until("more heartbeats", () => world.owner.heartbeats.length > beats + 3);
    expect(world.owner.heartbeats.at(-1)?.attempts.map(({ taskId }) => taskId)).toContain(attempt.taskId);
    await world.owner.order(attempt, lost, 5n);
    await until("it is forgotten", () => world.owner.heartbeats.at(-1)?.attempts.length === 0);
  });

  test("fails a program with the reason and the command that mends it when it has no sandbox", async () => {
    await world.startWorker();
    const attempt = await world.owner.assignProgram("print()");
    expect((await world.ended(attempt)).outcome).toMatchObject({
      case: "failed",
      value: {
        reason: "SANDBOX_UNAVAILABLE",
        message: expect.stringContaining("apt-get install bubblewrap"),
      },
    });
    expect(world.owner.heartbeats.at(-1)).toMatchObject({
      handlers: ["noop", "call_external_service", "llm", "unreliable_handler", "program"],
      sandbox: "",
    });
  });

  test("fails a task whose handler it does not have", async () => {
    await world.startWorker();
    const attempt = await world.owner.assign("summarise", {});
    expect((await world.ended(attempt)).outcome).toMatchObject({ value: { reason: "HANDLER_FAILED" } });
  });

  test("goes on after the broker lost everything", async () => {
    await world.startWorker();
    await world.ended(await world.owner.assign("noop", {}));
    await world.loseBroker();
    const { outcome } = await world.ended(await world.owner.assign("noop", {}));
    expect(outcome.case).toBe("output");
  });
});
