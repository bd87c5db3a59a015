import { describe, expect, test } from "vitest";
import { endOf, nextCommit } from "./archive-commit.ts";
import { beginning } from "./cursor.ts";
import type { Chunk } from "./transcript-store.ts";

describe("nextCommit", () => {
  test("puts everything into one statement that fits", () => {
    const waiting = [aChunk("a", 3, 10), aChunk("b", 2, 10)];
    expect(nextCommit(waiting)).toEqual({ commit: waiting, rest: [] });
  });

  test.each([
    ["large entries", 60, 65_536],
    ["many entries", 4_500, 10],
    ["an entry larger than a statement should be", 2, 3_000_000],
  ])("divides %s, in order and without a gap", (_, entries, bytes) => {
    const seen: number[] = [];
    let waiting: readonly Chunk[] = [aChunk("a", entries, bytes)];
    let commits = 0;
    while (waiting.length > 0) {
      const { commit, rest } = nextCommit(waiting);
      const [chunk] = commit;
      if (chunk === undefined) throw new Error("nothing is taken");
      expect(chunk.after.seq).toBe(seen.length);
      expect(endOf(chunk).seq).toBe(seen.length + chunk.entries.length);
      seen.push(...chunk.entries.map(({ seq }) => seq));
      waiting = rest;
      commits += 1;
    }
    expect(seen).toEqual(Array.from({ length: entries }, (_, index) => index + 1));
    expect(commits).toBeGreaterThan(1);
  });

  test("names no task twice", () => {
    const { commit } = nextCommit([aChunk("a", 40, 65_536), aChunk("b", 40, 65_536)]);
    expect(commit.map(({ taskId }) => taskId)).toEqual(["a"]);
  });
});

function aChunk(taskId: string, entries: number, bytes: number): Chunk {
  const body = new Uint8Array(bytes);
  return {
    taskId,
    after: beginning,
    entries: Array.from({ length: entries }, (_, index) => ({ attempt: 1, seq: index + 1, body })),
  };
}
