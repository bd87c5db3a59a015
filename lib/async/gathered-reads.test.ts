import { describe, expect, test } from "vitest";
import { GatheredReads } from "./gathered-reads.ts";

/** Reads that answer when they are told to. */
function heldReads() {
  const reads: { keys: readonly string[]; answer: (values: ReadonlyMap<string, string>) => void }[] = [];
  const gathered = new GatheredReads<string, string>((keys) => {
    const { promise, resolve } = Promise.withResolvers<ReadonlyMap<string, string>>();
    reads.push({ keys, answer: resolve });
    return promise;
  });
  const answerAll = async () => {
    for (let next = 0; next < reads.length; next += 1) {
      const { keys, answer } = reads[next] ?? { keys: [], answer: () => undefined };
      answer(new Map(keys.map((key) => [key, `value of ${key}`])));
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  return { gathered, reads, answerAll };
}

const keysOf = (reads: readonly { keys: readonly string[] }[]) => reads.map(({ keys }) => keys);

describe("gathered reads", () => {
  test("read for a caller that is alone at once", async () => {
    const { gathered, reads, answerAll } = heldReads();
    const value = gathered.get("a");
    expect(keysOf(reads)).toEqual([["a"]]);
    await answerAll();
    expect(await value).toBe("value of a");
  });

  test("put what is asked for meanwhile into one read, each key once", async () => {
    const { gathered, reads, answerAll } = heldReads();
    const first = ["a", "b", "c", "d"].map((key) => gathered.get(key));
    const later = ["e", "f", "e"].map((key) => gathered.get(key));
    expect(keysOf(reads)).toEqual([["a"], ["b"], ["c"], ["d"]]);
    await answerAll();
    expect(await Promise.all([...first, ...later])).toEqual(
      ["a", "b", "c", "d", "e", "f", "e"].map((key) => `value of ${key}`),
    );
    expect(keysOf(reads).slice(4)).toEqual([["e", "f"]]);
  });

  test("never answer by a read that began before the question", async () => {
    const { gathered, reads, answerAll } = heldReads();
    const before = gathered.get("a");
    const after = gathered.get("a");
    expect(keysOf(reads)).toEqual([["a"], ["a"]]);
    await answerAll();
    await Promise.all([before, after]);
  });

  test("answer undefined for what is not there", async () => {
    const gathered = new GatheredReads<string, string>(async () => new Map());
    expect(await gathered.get("a")).toBeUndefined();
  });

  test("refuse the one key that can not be read, and no other", async () => {
    const gathered = new GatheredReads<string, string>(async (keys) => {
      await new Promise((resolve) => setImmediate(resolve));
      if (keys.includes("bad")) throw new Error("unreadable");
      return new Map(keys.map((key) => [key, key]));
    });
    const keys = ["a", "b", "c", "d", "e", "bad", "f"];
    const outcomes = await Promise.allSettled(keys.map((key) => gathered.get(key)));
    expect(outcomes.map(({ status }) => status)).toEqual(
      keys.map((key) => (key === "bad" ? "rejected" : "fulfilled")),
    );
  });

  test("go on after a read that failed", async () => {
    let isAway = true;
    const gathered = new GatheredReads<string, string>(async (keys) => {
      if (isAway) throw new Error("away");
      return new Map(keys.map((key) => [key, key]));
    });
    await expect(gathered.get("a")).rejects.toThrow("away");
    isAway = false;
    expect(await gathered.get("a")).toBe("a");
  });
});
