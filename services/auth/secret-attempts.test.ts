import { describe, expect, test } from "vitest";
import { SecretAttempts } from "./secret-attempts.ts";
import { drawSecret } from "./secret-hash.ts";

/** Attempts on a clock that is set by hand. */
function attemptsAt() {
  const clock = { nowMs: 0 };
  const attempts = new SecretAttempts(() => clock.nowMs);
  const failTimes = (count: number, clientId = "alice") => {
    for (let time = 0; time < count; time++) attempts.failed(clientId, "guess");
  };
  return { clock, attempts, failTimes };
}

describe("SecretAttempts", () => {
  test("lets nine wrong secrets in a row pass, and asks to wait after the tenth", () => {
    const { clock, attempts, failTimes } = attemptsAt();
    failTimes(9);
    attempts.admit("alice", "guess");
    failTimes(1);
    expect(() => attempts.admit("alice", "even the right one")).toThrow(
      expect.objectContaining({ reason: "RATE_LIMITED", retryAfterMs: 1_000 }),
    );
    attempts.admit("bob", "guess");
    clock.nowMs = 1_000;
    attempts.admit("alice", "guess");
  });

  test("asks to wait twice as long after each further one, up to a minute", () => {
    const { attempts, failTimes } = attemptsAt();
    failTimes(12);
    expect(() => attempts.admit("alice", "guess")).toThrow(expect.objectContaining({ retryAfterMs: 4_000 }));
    failTimes(100);
    expect(() => attempts.admit("alice", "guess")).toThrow(expect.objectContaining({ retryAfterMs: 60_000 }));
  });

  test("begins anew after the right secret, and after a quarter of an hour without any", () => {
    const { clock, attempts, failTimes } = attemptsAt();
    failTimes(10);
    attempts.succeeded("alice");
    attempts.admit("alice", "guess");
    failTimes(11);
    clock.nowMs = 15 * 60_000;
    failTimes(9);
    attempts.admit("alice", "guess");
  });

  test("neither counts nor blocks secrets that nobody can guess", () => {
    const { attempts, failTimes } = attemptsAt();
    for (let time = 0; time < 50; time++) attempts.failed("alice", drawSecret());
    attempts.admit("alice", "guess");
    failTimes(50);
    attempts.admit("alice", drawSecret());
  });

  test("forgets the least recent of more clients than it remembers", () => {
    const { attempts, failTimes } = attemptsAt();
    failTimes(10, "first");
    for (let client = 0; client < 10_000; client++) failTimes(1, `c${client}`);
    attempts.admit("first", "guess");
  });
});
