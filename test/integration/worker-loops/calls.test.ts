import type { ServerResponse } from "node:http";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type HttpServer, httpServer } from "../../support/http-server.ts";
import { until } from "../../support/until.ts";
import { WorkerWorld } from "./worker-world.ts";

const noSandbox = { kind: "unusable", reason: "not needed here", mend: "nothing" } as const;

const outputOf = (ended: Awaited<ReturnType<WorkerWorld["ended"]>>): unknown => {
  if (ended.outcome.case !== "output")
    throw new Error(`not completed: ${JSON.stringify(ended.outcome.value)}`);
  return JSON.parse(Buffer.from(ended.outcome.value).toString());
};

describe.each(["memory", "redis"] as const)("calls on the %s broker", (kind) => {
  let world: WorkerWorld;
  let server: HttpServer;
  /** The requests that the server has not answered. */
  let waiting: ServerResponse[];

  beforeEach(async () => {
    waiting = [];
    server = await httpServer((_, response) => void waiting.push(response));
    world = await WorkerWorld.open(kind, noSandbox);
    await world.startWorker({ callSlots: 2 });
  });

  afterEach(async () => {
    await world[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });

  test("that wait hold up no short work, and go on in their slots", async () => {
    const calls = await Promise.all(
      [1, 2, 3].map(
        async (n) => await world.owner.assign("call_external_service", { url: `${server.url}/${n}` }),
      ),
    );
    await until("two calls are under way", () => waiting.length === 2);
    const short = await Promise.all(
      Array.from({ length: 50 }, async (_, n) => await world.owner.assign("noop", { n })),
    );
    for (const attempt of short) expect((await world.ended(attempt)).outcome.case).toBe("output");
    expect(waiting).toHaveLength(2);
    expect(calls.every(({ ended }) => ended === undefined)).toBe(true);
    expect(calls.filter(({ hasStarted }) => hasStarted)).toHaveLength(2);
    for (const response of waiting.splice(0)) response.end("done");
    const third = await until("the third call is under way", () => waiting.at(0));
    third.end("done");
    for (const attempt of calls) expect(outputOf(await world.ended(attempt))).toMatchObject({ data: "done" });
  });

  test("are made once, under a lease that was committed before", async () => {
    const attempt = await world.owner.assign("call_external_service", { url: server.url, method: "POST" });
    const response = await until("the call is under way", () => waiting.at(0));
    expect(attempt.leaseToken).toBeDefined();
    response.end("done");
    await world.ended(attempt);
    expect(server.seen).toHaveLength(1);
  });

  test("end with a cancel of their run", async () => {
    const attempt = await world.owner.assign("call_external_service", { url: server.url });
    const response = await until("the call is under way", () => waiting.at(0));
    await world.owner.cancel(attempt);
    expect((await world.ended(attempt)).outcome.case).toBe("cancelled");
    await until("the server has seen it", () => response.destroyed);
  });

  test("tell when another attempt makes sense", async () => {
    const attempt = await world.owner.assign("call_external_service", { url: server.url });
    const response = await until("the call is under way", () => waiting.at(0));
    response.writeHead(503, { "retry-after": "2" }).end();
    expect((await world.ended(attempt)).outcome.value).toMatchObject({
      reason: "HTTP_STATUS",
      nonRetryable: false,
      retryDelay: { seconds: 2n },
    });
  });

  test("of models and unreliable handlers end as well", async () => {
    const asked = await world.owner.assign("llm", { prompt: "hello" });
    expect(outputOf(await world.ended(asked))).toMatchObject({ answer: "echo: hello", echo: true });
    const failing = await world.owner.assign("unreliable_handler", { failure_rate: 1, non_retryable: true });
    expect((await world.ended(failing)).outcome.value).toMatchObject({
      reason: "SIMULATED_FAILURE",
      nonRetryable: true,
    });
  });
});
