import { create } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { TaskNewsSchema } from "../../gen/antiphon/taskio/v1/transcript_pb.ts";
import { RecentEntries } from "./recent-entries.ts";

const wide = { entries: 1_000, bytes: 1_000_000 };

describe("RecentEntries", () => {
  test("answers what comes after a place, and nothing for a place before its start", () => {
    const recent = new RecentEntries({ attempt: 1, seq: 3 });
    recent.push(entries(4, 8));
    expect(seqs(recent.after({ attempt: 1, seq: 5 }, 2))).toEqual([6, 7]);
    expect(seqs(recent.after({ attempt: 1, seq: 3 }, 100))).toEqual([4, 5, 6, 7, 8]);
    expect(seqs(recent.after({ attempt: 1, seq: 8 }, 100))).toEqual([]);
    expect(seqs(recent.after({ attempt: 9, seq: 9 }, 100))).toEqual([]);
    expect(recent.after({ attempt: 1, seq: 2 }, 100)).toBeUndefined();
  });

  test("drops what all have passed beyond the soft bound, and anything beyond the hard one", () => {
    const recent = new RecentEntries({ attempt: 0, seq: 0 });
    recent.push(entries(1, 10));
    recent.trim({ attempt: 1, seq: 4 }, { soft: { entries: 2, bytes: 1_000 }, hard: wide });
    expect(recent.start.seq).toBe(4);
    recent.trim({ attempt: 1, seq: 4 }, { soft: wide, hard: { entries: 3, bytes: 1_000 } });
    expect(recent.start.seq).toBe(7);
    recent.trim({ attempt: 1, seq: 10 }, { soft: { entries: 100, bytes: 20 }, hard: wide });
    expect(seqs(recent.after(recent.start, 100))).toEqual([9, 10]);
    recent.trim({ attempt: 1, seq: 10 }, { soft: { entries: 0, bytes: 0 }, hard: wide });
    expect([recent.start.seq, recent.end.seq]).toEqual([10, 10]);
    recent.push(entries(11, 12));
    expect(seqs(recent.after({ attempt: 1, seq: 10 }, 100))).toEqual([11, 12]);
  });

  test("goes on through thousands of entries without keeping what was dropped", () => {
    const recent = new RecentEntries({ attempt: 0, seq: 0 });
    for (let seq = 1; seq <= 5_000; seq++) {
      recent.push(entries(seq, seq));
      recent.trim(recent.end, { soft: { entries: 10, bytes: 1_000 }, hard: wide });
    }
    expect(seqs(recent.after(recent.start, 100))).toEqual(
      Array.from({ length: 10 }, (_, index) => 4_991 + index),
    );
  });
});

function entries(from: number, to: number) {
  const news = create(TaskNewsSchema);
  return Array.from({ length: to - from + 1 }, (_, index) => ({
    attempt: 1,
    seq: from + index,
    bytes: 10,
    news,
  }));
}

function seqs(found: readonly { readonly seq: number }[] | undefined): number[] | undefined {
  return found?.map(({ seq }) => seq);
}
