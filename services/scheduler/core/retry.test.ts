import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { RetryPolicy } from "./definition.ts";
import type { FailedAttempt } from "./event.ts";
import { maxRetryDelayMs, retryDelayMs } from "./retry.ts";

const policy = (more: Partial<RetryPolicy> = {}): RetryPolicy => ({
  maxAttempts: 10,
  initialDelayMs: 1_000,
  multiplier: 2,
  maxDelayMs: 60_000,
  jitter: 0,
  nonRetryable: [],
  ...more,
});

const failure = (more: Partial<FailedAttempt> = {}): FailedAttempt => ({
  reason: "BROKEN",
  message: "",
  ...more,
});

const delays = (used: RetryPolicy, more: Partial<FailedAttempt> = {}, seed = "run A") =>
  [1, 2, 3, 4, 9, 10].map((failures) => retryDelayMs(used, { failure: failure(more), failures, seed }));

describe("retryDelayMs", () => {
  test("grows from the first delay by the multiplier up to the longest, and ends with the attempts", () => {
    expect(delays(policy())).toEqual([1_000, 2_000, 4_000, 8_000, 60_000, undefined]);
    expect(delays(policy({ multiplier: 1 }))).toEqual([1_000, 1_000, 1_000, 1_000, 1_000, undefined]);
    expect(delays(policy({ maxDelayMs: 10 }))).toEqual([10, 10, 10, 10, 10, undefined]);
  });

  test("is nothing without a policy, and after a failure that is final", () => {
    expect(retryDelayMs(undefined, { failure: failure(), failures: 1, seed: "" })).toBeUndefined();
    expect(delays(policy(), { nonRetryable: true })).toEqual(Array.from({ length: 6 }, () => undefined));
    expect(delays(policy({ nonRetryable: ["OTHER", "BROKEN"] }))).toEqual(
      Array.from({ length: 6 }, () => undefined),
    );
  });

  test("is what the failing handler says, in its bounds, while attempts are left", () => {
    expect(delays(policy(), { retryDelayMs: 5 })).toEqual([5, 5, 5, 5, 5, undefined]);
    expect(delays(policy(), { retryDelayMs: -5 })[0]).toBe(0);
    expect(delays(policy(), { retryDelayMs: 1e300 })[0]).toBe(maxRetryDelayMs);
  });

  test("takes a part off that the same task's same failure always gives again, and another another", () => {
    const used = policy({ jitter: 0.5 });
    expect(delays(used)).toEqual(delays(used));
    expect(delays(used)).not.toEqual(delays(used, {}, "run B"));
  });

  // Pins a delay that was no number: no first delay, grown beyond the largest number.
  test("is a number from the longest delay down to the jitter's part of it, whatever the policy", () => {
    const policies = fc.record({
      maxAttempts: fc.constant<number>(1_001),
      initialDelayMs: fc.nat({ max: maxRetryDelayMs }),
      multiplier: fc.double({ min: 1, max: 100, noNaN: true }),
      maxDelayMs: fc.nat({ max: maxRetryDelayMs }),
      jitter: fc.double({ min: 0, max: 1, noNaN: true }),
      nonRetryable: fc.constant<string[]>([]),
    });
    fc.assert(
      fc.property(policies, fc.integer({ min: 1, max: 1_000 }), fc.string(), (used, failures, seed) => {
        const whole = retryDelayMs({ ...used, jitter: 0 }, { failure: failure(), failures, seed }) ?? -1;
        const delay = retryDelayMs(used, { failure: failure(), failures, seed }) ?? -1;
        expect(whole).toBeLessThanOrEqual(used.maxDelayMs);
        expect(delay).toBeLessThanOrEqual(whole);
        expect(delay).toBeGreaterThanOrEqual(Math.floor(whole * (1 - used.jitter)));
      }),
      { examples: [[{ ...policy({ initialDelayMs: 0, multiplier: 100 }), nonRetryable: [] }, 999, ""]] },
    );
  });
});
