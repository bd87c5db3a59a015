import { describe, expect, test } from "vitest";
import { carryOut, outputOf } from "../../../test/support/a-leased-task.ts";
import { unreliableHandler } from "./unreliable-handler.ts";

const tasks = Array.from({ length: 400 }, (_, index) => `run-${index}.node`);

const failuresOf = async (config: object): Promise<string[]> => {
  const outcomes = await Promise.all(
    tasks.map(async (taskId) => await carryOut(unreliableHandler, config, { taskId })),
  );
  return tasks.filter((_, index) => outcomes[index]?.kind === "failed");
};

describe("unreliable_handler", () => {
  test("fails about half of the attempts, and the same ones each time", async () => {
    const failures = await failuresOf({});
    expect(failures.length).toBeGreaterThan(120);
    expect(failures.length).toBeLessThan(280);
    expect(await failuresOf({})).toEqual(failures);
  });

  test("fails never, always, and more often at a higher rate", async () => {
    expect(await failuresOf({ failure_rate: 0 })).toEqual([]);
    expect(await failuresOf({ failure_rate: 1 })).toEqual(tasks);
    expect((await failuresOf({ failure_rate: 0.9 })).length).toBeGreaterThan(300);
  });

  test("draws anew for each attempt", async () => {
    const attempts = Array.from({ length: 40 }, (_, index) => index + 1);
    const kinds = await Promise.all(
      attempts.map(async (attempt) => (await carryOut(unreliableHandler, {}, { attempt })).kind),
    );
    expect(new Set(kinds)).toEqual(new Set(["failed", "completed"]));
  });

  test("fails the first attempts, then completes", async () => {
    const config = { fail_times: 2, message: "not yet" };
    const failure = { kind: "failed", reason: "SIMULATED_FAILURE", message: "not yet", nonRetryable: false };
    expect(await carryOut(unreliableHandler, config, { attempt: 1 })).toEqual(failure);
    expect(await carryOut(unreliableHandler, config, { attempt: 2 })).toEqual(failure);
    expect(outputOf(await carryOut(unreliableHandler, config, { attempt: 3 }))).toEqual({ attempt: 3 });
  });

  test("calls its failure final where that is asked for", async () => {
    const config = { failure_rate: 1, non_retryable: true };
    expect(await carryOut(unreliableHandler, config)).toMatchObject({ nonRetryable: true });
  });

  test("is cancelled while it takes its time", async () => {
    const task = new AbortController();
    const outcome = carryOut(unreliableHandler, { latency_ms: 60_000 }, { signal: task.signal });
    task.abort();
    expect(await outcome).toEqual({ kind: "cancelled" });
  });

  test.each([
    [{ failure_rate: 2 }, "config.failure_rate: "],
    [{ fail_times: -1 }, "config.fail_times: "],
    [{ latency_ms: 60_001 }, "config.latency_ms: "],
    [{ rate: 1 }, "config.rate: is not known"],
  ])("refuses the config %j", async (config, message) => {
    const outcome = await carryOut(unreliableHandler, config);
    expect(outcome).toMatchObject({ reason: "CONFIG_INVALID", nonRetryable: true });
    expect(outcome.kind === "failed" && outcome.message).toContain(message);
  });
});
