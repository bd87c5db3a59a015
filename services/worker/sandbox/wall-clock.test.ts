import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { WallClock } from "./wall-clock.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
});

afterEach(() => {
  vi.useRealTimers();
});

function aClock(limitMs: number) {
  let expirations = 0;
  const clock = new WallClock(limitMs, () => {
    expirations += 1;
  });
  return { clock, expirations: () => expirations };
}

test("expires once when the limit is used up", () => {
  const { clock, expirations } = aClock(1000);
  clock.start();
  vi.advanceTimersByTime(999);
  expect(expirations()).toBe(0);
  vi.advanceTimersByTime(5000);
  expect(expirations()).toBe(1);
});

test("does not count while any pause is open", () => {
  const { clock, expirations } = aClock(1000);
  clock.start();
  vi.advanceTimersByTime(400);
  clock.pause();
  clock.pause();
  vi.advanceTimersByTime(60_000);
  clock.resume();
  vi.advanceTimersByTime(60_000);
  expect(expirations()).toBe(0);
  expect(clock.elapsedMs).toBe(400);
  clock.resume();
  vi.advanceTimersByTime(600);
  expect(expirations()).toBe(1);
});

test("a resume without its pause changes nothing", () => {
  const { clock, expirations } = aClock(100);
  clock.resume();
  clock.start();
  clock.resume();
  vi.advanceTimersByTime(100);
  expect(expirations()).toBe(1);
});

test("waits longer than one timer can", () => {
  const month = 30 * 24 * 3_600_000;
  const { clock, expirations } = aClock(month);
  clock.start();
  vi.advanceTimersByTime(month - 1);
  expect(expirations()).toBe(0);
  vi.advanceTimersByTime(1);
  expect(expirations()).toBe(1);
});

test("does not expire once it is stopped, whatever is resumed", () => {
  const { clock, expirations } = aClock(100);
  clock.start();
  clock.pause();
  clock.stop();
  clock.resume();
  vi.advanceTimersByTime(1000);
  expect(expirations()).toBe(0);
});
