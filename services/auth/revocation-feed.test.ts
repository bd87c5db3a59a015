import { describe, expect, test } from "vitest";
import { Revocations } from "../../lib/rpc/revocations.ts";
import { aCaller } from "../../test/support/a-caller.ts";
import { RevocationFeed, type RevocationNews } from "./revocation-feed.ts";
import type { StoredRevocation } from "./revocation-store.ts";

/** A feed of a store in memory, which notes where it was read from. */
function aFeed() {
  const stored: StoredRevocation[] = [];
  const reads: number[] = [];
  const revocations = new Revocations();
  const store = {
    after: async (number: number, limit: number) => {
      reads.push(number);
      const found = stored.filter((revocation) => revocation.number > number).slice(0, limit);
      await new Promise(setImmediate);
      return found;
    },
  };
  return {
    feed: new RevocationFeed(store, revocations),
    revocations,
    reads,
    /** Takes tokens back as another process would, and names them `t<number>`. */
    takeBack: (count: number, lifeMs = 60_000) => {
      for (let made = 0; made < count; made++) {
        const number = stored.length + 1;
        const expiresAt = new Date(Date.now() + lifeMs);
        stored.push({ number, kind: "token", subject: `t${number}`, expiresAt });
      }
    },
  };
}

/** News until what was known at the beginning is told. */
async function firstNews(news: AsyncIterator<RevocationNews>): Promise<RevocationNews[]> {
  const told: RevocationNews[] = [];
  for (;;) {
    const { value } = (await news.next()) as IteratorYieldResult<RevocationNews>;
    told.push(value);
    if (value.complete) return told;
  }
}

const subjectsOf = (news: readonly RevocationNews[]) =>
  news.flatMap(({ revocations }) => revocations.map(({ subject }) => subject));

describe("RevocationFeed", () => {
  test("tells a watcher all that is known, in parts, and then what comes", async () => {
    const { feed, takeBack } = aFeed();
    takeBack(1_200);
    await feed.read();
    const over = new AbortController();
    const watching = feed.watch(over.signal);
    const first = await firstNews(watching);
    expect(subjectsOf(first)).toEqual(Array.from({ length: 1_200 }, (_, index) => `t${index + 1}`));
    expect(first.map(({ complete }) => complete)).toEqual([false, false, true]);
    const next = watching.next();
    takeBack(1);
    await feed.read();
    expect((await next).value).toMatchObject({ revocations: [{ subject: "t1201" }], complete: true });
    over.abort();
    expect(await watching.next()).toMatchObject({ done: true });
  });

  test("tells a watcher at once when there is nothing to tell", async () => {
    const { feed } = aFeed();
    await feed.read();
    expect(await firstNews(feed.watch(new AbortController().signal))).toEqual([
      { revocations: [], complete: true },
    ]);
  });

  test("knows after a read what was taken back before it was asked for, however many ask", async () => {
    const { feed, revocations, reads, takeBack } = aFeed();
    const early = feed.read();
    await Promise.resolve();
    takeBack(1);
    const late = [feed.read(), feed.read(), feed.read()];
    await Promise.all([early, ...late]);
    expect(revocations.isRevoked(aCaller({ tokenId: "t1" }))).toBe(true);
    expect(reads).toHaveLength(2);
  });

  test("reads on after an outage, and forgets nothing by it", async () => {
    const revocations = new Revocations();
    let isAway = true;
    const store = {
      after: async () => {
        if (isAway) throw new Error("away");
        return [];
      },
    };
    const feed = new RevocationFeed(store, revocations);
    const both = [feed.read(), feed.read()].map((read) => read.catch((error: unknown) => String(error)));
    expect(await Promise.all(both)).toEqual(["Error: away", "Error: away"]);
    isAway = false;
    await feed.read();
  });

  test("does not tell a later watcher what is over", async () => {
    const { feed, takeBack } = aFeed();
    takeBack(2, -1);
    takeBack(1);
    await feed.read();
    takeBack(1);
    await feed.read();
    expect(subjectsOf(await firstNews(feed.watch(new AbortController().signal)))).toEqual(["t3", "t4"]);
  });
});
