import { describe, expect, test } from "vitest";
import type { DomainError } from "../../lib/errors/domain-error.ts";
import { SecretAttempts } from "./secret-attempts.ts";
import { drawSecret } from "./secret-hash.ts";

/** Attempts on a clock that is set by hand. */
function attemptsAt() {
  const clock = { nowMs: 0 };
  const attempts = new SecretAttempts(() => clock.nowMs);
  return {
    clock,
    attempts,
    fail: (count: number, { clientId = "alice", secret = "guess" } = {}) => {
      for (let time = 0; time < count; time++) attempts.failed(clientId, secret);
    },
    /** How long a secret is refused unseen, in milliseconds. */
    blockedFor: (clientId = "alice", secret = "guess") => {
      try {
        attempts.admit(clientId, secret);
        return 0;
      } catch (error) {
        const { reason, retryAfterMs } = error as DomainError;
        expect(reason).toBe("RATE_LIMITED");
        return retryAfterMs;
      }
    },
  };
}

describe("SecretAttempts", () => {
  test("lets nine wrong secrets in a row pass, and asks to wait after the tenth", () => {
    const { clock, fail, blockedFor } = attemptsAt();
    fail(9);
    expect(blockedFor()).toBe(0);
    fail(1);
    expect(blockedFor("alice", "even the right one")).toBe(1_000);
    expect(blockedFor("bob")).toBe(0);
    clock.nowMs = 1_000;
    expect(blockedFor()).toBe(0);
  });

  test("asks to wait twice as long after each further one, up to a minute", () => {
    const { fail, blockedFor } = attemptsAt();
    fail(12);
    expect(blockedFor()).toBe(4_000);
    fail(100);
    expect(blockedFor()).toBe(60_000);
  });

  test("begins anew after the right secret, and after a quarter of an hour without any", () => {
    const { clock, attempts, fail, blockedFor } = attemptsAt();
    fail(10);
    attempts.succeeded("alice");
    expect(blockedFor()).toBe(0);
    fail(11);
    clock.nowMs = 15 * 60_000;
    fail(9);
    expect(blockedFor()).toBe(0);
  });

  test("neither counts nor blocks secrets that nobody can guess", () => {
    const { fail, blockedFor } = attemptsAt();
    fail(50, { secret: drawSecret() });
    expect(blockedFor()).toBe(0);
    fail(50);
    expect(blockedFor("alice", drawSecret())).toBe(0);
  });

  test("forgets the least recent of more clients than it remembers", () => {
    const { fail, blockedFor } = attemptsAt();
    fail(10, { clientId: "first" });
    for (let client = 0; client < 10_000; client++) fail(1, { clientId: `c${client}` });
    expect(blockedFor("first")).toBe(0);
  });
});
