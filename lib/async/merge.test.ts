import { describe, expect, test } from "vitest";
import { merge } from "./merge.ts";

const never = new AbortController().signal;
const longMs = 60_000;

async function* of(...items: string[]): AsyncGenerator<string> {
  yield* items;
}

/** A stream that brings nothing until it is told to end. */
function silent() {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const state = { isClosed: false };
  const stream = (async function* (): AsyncGenerator<string> {
    try {
      await promise;
      yield* [];
    } finally {
      state.isClosed = true;
    }
  })();
  return { stream, state, end: resolve, fail: reject };
}

async function all(items: AsyncIterable<string | undefined>): Promise<(string | undefined)[]> {
  const given: (string | undefined)[] = [];
  for await (const item of items) given.push(item);
  return given;
}

describe("merge", () => {
  test("brings everything of every stream, each in its order, and ends with the last", async () => {
    const items = await all(merge([of("a", "b"), of("c"), of()], { idleMs: longMs, signal: never }));
    expect(new Set(items)).toEqual(new Set(["a", "b", "c"]));
    expect(items.indexOf("a")).toBeLessThan(items.indexOf("b"));
  });

  test("rejects with the first stream that rejects, and ends the others", async () => {
    const failing = silent();
    const waiting = silent();
    const merged = all(merge([waiting.stream, failing.stream], { idleMs: longMs, signal: never }));
    failing.fail(new Error("broken"));
    await expect(merged).rejects.toThrow("broken");
    waiting.end();
    await expect.poll(() => waiting.state.isClosed).toBe(true);
  });

  test("ends when the signal aborts, without waiting for a stream", async () => {
    const abort = new AbortController();
    const merged = all(merge([silent().stream], { idleMs: longMs, signal: abort.signal }));
    abort.abort();
    await expect(merged).resolves.toEqual([]);
  });

  test("says when nothing came for long", async () => {
    const { stream, end } = silent();
    const merged = merge([stream], { idleMs: 1, signal: never });
    expect(await merged.next()).toEqual({ done: false, value: undefined });
    end();
    const rest = await all(merged);
    expect(rest.filter((item) => item !== undefined)).toEqual([]);
  });
});
