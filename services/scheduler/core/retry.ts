import { derivedUuid } from "../../../lib/ids/derived-uuid.ts";
import type { RetryPolicy } from "./definition.ts";
import type { FailedAttempt } from "./event.ts";

/** The longest delay that a failing handler may name: 7 days. */
export const maxRetryDelayMs = 7 * 24 * 60 * 60 * 1_000;

/**
 * How long after a failure the next attempt begins, in milliseconds; undefined
 * when there is none. `failures` counts this one too. The jitter is derived from
 * `seed`, so that every fold of the same history comes to the same time.
 */
export function retryDelayMs(
  policy: RetryPolicy | undefined,
  { failure, failures, seed }: { failure: FailedAttempt; failures: number; seed: string },
): number | undefined {
  if (policy === undefined || failure.nonRetryable === true || failures >= policy.maxAttempts)
    return undefined;
  if (policy.nonRetryable.includes(failure.reason)) return undefined;
  if (failure.retryDelayMs !== undefined) return Math.min(Math.max(failure.retryDelayMs, 0), maxRetryDelayMs);
  // Bounded before it is multiplied: nothing times infinity is no number.
  const growth = Math.min(policy.multiplier ** (failures - 1), Number.MAX_VALUE);
  const bounded = Math.min(policy.initialDelayMs * growth, policy.maxDelayMs);
  return Math.round(bounded * (1 - policy.jitter * fractionOf(`${seed} ${failures}`)));
}

/** A number from 0 up to, not including, 1 that the text always gives again. */
function fractionOf(text: string): number {
  return Number.parseInt(derivedUuid("jitter", text).slice(0, 8), 16) / 2 ** 32;
}
