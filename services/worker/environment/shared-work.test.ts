import { describe, expect, test } from "vitest";
import { SharedWork } from "./shared-work.ts";

function aWork() {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const signals: AbortSignal[] = [];
  const start = (signal: AbortSignal) => {
    signals.push(signal);
    signal.addEventListener("abort", () => reject(new Error("ended")));
    return promise;
  };
  return { start, signals, resolve, reject };
}

describe("SharedWork", () => {
  test("does the work once for all who ask while it goes on, and again for who asks later", async () => {
    const works = new SharedWork();
    const work = aWork();
    const both = Promise.all([works.run("key", work.start), works.run("key", work.start)]);
    work.resolve();
    await both;
    expect(work.signals).toHaveLength(1);
    await works.run("key", work.start);
    expect(work.signals).toHaveLength(2);
  });

  test("shares the error", async () => {
    const works = new SharedWork();
    const work = aWork();
    const both = Promise.allSettled([works.run("key", work.start), works.run("key", work.start)]);
    work.reject(new Error("no"));
    expect((await both).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  });

  test("goes on while one still waits, and is ended when the last has given up", async () => {
    const works = new SharedWork();
    const work = aWork();
    const [first, second] = [new AbortController(), new AbortController()];
    const one = works.run("key", work.start, first.signal);
    const other = works.run("key", work.start, second.signal);
    first.abort(new Error("first"));
    await expect(one).rejects.toThrow("first");
    expect(work.signals[0]?.aborted).toBe(false);
    second.abort(new Error("second"));
    await expect(other).rejects.toThrow("second");
    expect(work.signals[0]?.aborted).toBe(true);
  });

  test("ends all work when it is disposed of", async () => {
    const works = new SharedWork();
    const running = works.run("key", aWork().start);
    await Promise.all([works[Symbol.asyncDispose](), expect(running).rejects.toThrow("ended")]);
  });
});
