import { describe, expect, test } from "vitest";
import { Bell } from "./bell.ts";

const longMs = 60_000;

describe("Bell", () => {
  test("keeps a ring for the next wait, once", async () => {
    const bell = new Bell();
    bell.ring();
    bell.ring();
    await bell.heard(longMs);
    let heard = false;
    const waiting = bell.heard(longMs).then(() => (heard = true));
    await new Promise(setImmediate);
    expect(heard).toBe(false);
    bell.ring();
    await waiting;
    expect(heard).toBe(true);
  });

  test("stops waiting when the time is over or the signal aborts", async () => {
    const bell = new Bell();
    const over = new AbortController();
    await bell.heard(1);
    const waiting = bell.heard(longMs, over.signal);
    over.abort();
    await waiting;
    await expect(bell.heard(longMs, over.signal)).resolves.toBeUndefined();
  });
});
