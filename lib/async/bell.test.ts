import { describe, expect, test } from "vitest";
import { Bell } from "./bell.ts";

const longMs = 60_000;
const never = new AbortController().signal;

describe("Bell", () => {
  test("keeps a ring for the next wait, once", async () => {
    const bell = new Bell();
    bell.ring();
    bell.ring();
    await bell.heard(never);
    let heard = false;
    const waiting = bell.heard(never).then(() => (heard = true));
    await new Promise(setImmediate);
    expect(heard).toBe(false);
    bell.ring();
    await waiting;
    expect(heard).toBe(true);
  });

  test("stops waiting when the time is over or the signal aborts", async () => {
    const bell = new Bell();
    const over = new AbortController();
    await bell.heard(never, 1);
    const waiting = bell.heard(over.signal, longMs);
    over.abort();
    await waiting;
    await expect(bell.heard(over.signal, longMs)).resolves.toBeUndefined();
  });

  test("wakes everyone who waits", async () => {
    const bell = new Bell();
    const both = [bell.heard(never), bell.heard(never)];
    bell.ring();
    await expect(Promise.all(both)).resolves.toHaveLength(2);
  });

  test("wakes who waits on after another one stopped waiting", async () => {
    const bell = new Bell();
    const over = new AbortController();
    const waiting = bell.heard(never);
    const stopping = bell.heard(over.signal);
    over.abort();
    await stopping;
    bell.ring();
    await expect(waiting).resolves.toBeUndefined();
  });
});
