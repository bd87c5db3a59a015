import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Broker, BrokerUnavailable, compareIds, type Entry, type EntryId } from "./broker.ts";

/** Long enough that a test which relies on it to pass fails by its own deadline. */
const longMs = 60_000;

const never = new AbortController().signal;

/** What every broker does; each adapter runs it. */
export function brokerSuite(name: string, open: () => Promise<Broker>): void {
  describe.each([name])("%s", () => {
    let broker: Broker;
    beforeAll(async () => {
      broker = await open();
    });
    afterAll(async () => {
      await broker[Symbol.asyncDispose]();
    });

    describe("publish", () => {
      test("answers growing ids in the order of the publications", async () => {
        const stream = aStream();
        const ids = await broker.publish(publications(stream, ["a", "b", "c"]));
        const more = await broker.publish(publications(stream, ["d"]));
        const all = [...ids, ...more];
        expect(all.toSorted(compareIds)).toEqual(all);
        expect(new Set(all).size).toBe(4);
        expect(await contents(broker, stream)).toEqual(["a", "b", "c", "d"]);
      });

      test("keeps bytes exactly, none and every one of them", async () => {
        const stream = aStream();
        const every = Uint8Array.from({ length: 256 }, (_, byte) => byte);
        await broker.publish([
          { stream, body: every },
          { stream, body: new Uint8Array() },
        ]);
        const [first, second] = await broker.range(stream, { after: "0-0", count: 10 });
        expect([...(first?.body ?? [])]).toEqual([...every]);
        expect(second?.body.byteLength).toBe(0);
      });

      test("keeps what was published although the caller uses its bytes again", async () => {
        const stream = aStream();
        const body = bytes("before");
        await broker.publish([{ stream, body }]);
        body.fill(0);
        expect(await contents(broker, stream)).toEqual(["before"]);
      });

      test("keeps so many of a stream's latest entries as it is told", async () => {
        const stream = aStream();
        await broker.publish(publications(stream, ["1", "2", "3"]));
        await broker.publish(publications(stream, ["4", "5"]).map((each) => ({ ...each, keepLatest: 2 })));
        expect(await contents(broker, stream)).toEqual(["4", "5"]);
        await broker.publish(publications(stream, ["6"]));
        expect(await contents(broker, stream)).toEqual(["4", "5", "6"]);
      });

      test("does nothing for an empty list", async () => {
        await expect(broker.publish([])).resolves.toEqual([]);
      });
    });

    describe("take", () => {
      const group = "takers";
      const as = (consumer: string, streams: readonly string[], count: number, waitMs: number) => ({
        streams,
        group,
        consumer,
        count,
        waitMs,
      });

      test("gives each entry to one taker, oldest first, and deletes it", async () => {
        const stream = aStream();
        await broker.publish(publications(stream, ["1", "2", "3", "4", "5"]));
        const first = await broker.take(as("a", [stream], 2, 0), never);
        const second = await broker.take(as("b", [stream], 10, 0), never);
        expect(bodies(first)).toEqual(["1", "2"]);
        expect(bodies(second)).toEqual(["3", "4", "5"]);
        expect(await broker.range(stream, { after: "0-0", count: 10 })).toEqual([]);
      });

      test("splits a stream between takers at the same time without a loss or a double", async () => {
        const stream = aStream();
        const all = Array.from({ length: 500 }, (_, index) => `${index}`);
        const taken: string[] = [];
        const done = new AbortController();
        const takers = Array.from({ length: 5 }, async (_, index) => {
          while (!done.signal.aborted) {
            taken.push(...bodies(await broker.take(as(`${index}`, [stream], 7, longMs), done.signal)));
            if (taken.length >= all.length) done.abort();
          }
        });
        await broker.publish(publications(stream, all.slice(0, 250)));
        await broker.publish(publications(stream, all.slice(250)));
        await Promise.all(takers);
        expect(taken.toSorted()).toEqual(all.toSorted());
      });

      test("answers an entry that comes while it waits", async () => {
        const stream = aStream();
        const waiting = broker.take(as("a", [stream], 10, longMs), never);
        await broker.publish(publications(stream, ["late"]));
        expect(bodies(await waiting)).toEqual(["late"]);
      });

      test("answers none when none came in time", async () => {
        await expect(broker.take(as("a", [aStream()], 10, 20), never)).resolves.toEqual([]);
      });

      test("asks later streams only for what earlier ones leave of the count", async () => {
        const [preferred, other, third] = [aStream(), aStream(), aStream()];
        await broker.publish([
          ...publications(other, ["o1", "o2", "o3"]),
          ...publications(preferred, ["p1", "p2"]),
          ...publications(third, ["t1"]),
        ]);
        const taken = await broker.take(as("a", [preferred, other, third], 3, longMs), never);
        expect(bodies(taken)).toEqual(["p1", "p2", "o1"]);
        const rest = await broker.take(as("a", [preferred, other, third], 9, longMs), never);
        expect(bodies(rest)).toEqual(["o2", "o3", "t1"]);
        expect(rest.map(({ stream }) => stream)).toEqual([other, other, third]);
      });

      test("never answers more than the count while it waits on more streams than that", async () => {
        const streams = Array.from({ length: 6 }, aStream);
        const found: string[] = [];
        for (let round = 0; round < 20; round += 1) {
          const waiting = broker.take(as("a", streams, 1, longMs), never);
          await broker.publish(streams.flatMap((stream) => publications(stream, [`${round}`])));
          const taken = await waiting;
          expect(taken).toHaveLength(1);
          found.push(...bodies(taken));
        }
        while (found.length < 120)
          found.push(...bodies(await broker.take(as("a", streams, 50, longMs), never)));
        expect(found.toSorted()).toEqual(
          Array.from({ length: 120 }, (_, index) => `${Math.floor(index / 6)}`).toSorted(),
        );
      });

      test("answers at once when the signal aborts, and takes nothing afterwards", async () => {
        const stream = aStream();
        const abort = new AbortController();
        const waiting = broker.take(as("a", [stream, aStream()], 1, longMs), abort.signal);
        abort.abort();
        await expect(waiting).resolves.toEqual([]);
        await broker.publish(publications(stream, ["kept"]));
        await expect(broker.take(as("a", [stream], 1, longMs), abort.signal)).resolves.toEqual([]);
        expect(await contents(broker, stream)).toEqual(["kept"]);
      });

      test("loses nothing when aborts and entries meet", async () => {
        const stream = aStream();
        const found: string[] = [];
        for (let round = 0; round < 50; round += 1) {
          const abort = new AbortController();
          const waiting = broker.take(as("a", [stream], 10, longMs), abort.signal);
          const published = broker.publish(publications(stream, [`${round}`]));
          if (round % 2 === 0) await published;
          abort.abort();
          found.push(...bodies(await waiting));
          await published;
        }
        found.push(...bodies(await broker.take(as("a", [stream], 100, 0), never)));
        expect(found).toEqual(Array.from({ length: 50 }, (_, round) => `${round}`));
      });

      test("begins at the start of a stream that was dropped and filled again", async () => {
        const stream = aStream();
        await broker.publish(publications(stream, ["old"]));
        await broker.take(as("a", [stream], 1, 0), never);
        await broker.drop([stream]);
        await broker.publish(publications(stream, ["new 1", "new 2"]));
        expect(bodies(await broker.take(as("a", [stream], 10, 0), never))).toEqual(["new 1", "new 2"]);
      });

      test("goes on waiting although its stream is dropped", async () => {
        const stream = aStream();
        const waiting = broker.take(as("a", [stream], 10, longMs), never);
        await broker.drop([stream]);
        await broker.publish(publications(stream, ["after"]));
        expect(bodies(await waiting)).toEqual(["after"]);
      });
    });

    describe("read", () => {
      test("answers entries after the given ids, bounded for each stream", async () => {
        const [a, b] = [aStream(), aStream()];
        const ids = await broker.publish([
          ...publications(a, ["a1", "a2"]),
          ...publications(b, ["b1", "b2", "b3"]),
        ]);
        const after = new Map<string, EntryId>([
          [a, ids[0] ?? "0-0"],
          [b, "0-0"],
        ]);
        expect(bodies(await broker.read({ after, count: 2, waitMs: 0 }, never))).toEqual(["a2", "b1", "b2"]);
        expect(bodies(await broker.read({ after, count: 9, waitMs: longMs }, never))).toEqual([
          "a2",
          "b1",
          "b2",
          "b3",
        ]);
        expect(await contents(broker, a)).toEqual(["a1", "a2"]);
      });

      test("waits for a stream that does not exist yet, among many", async () => {
        const streams = Array.from({ length: 64 }, aStream);
        const after = new Map(streams.map((stream): [string, EntryId] => [stream, "0-0"]));
        const waiting = broker.read({ after, count: 10, waitMs: longMs }, never);
        await broker.publish(publications(streams[63] ?? "", ["there"]));
        const entries = await waiting;
        expect(bodies(entries)).toEqual(["there"]);
        expect(entries[0]?.stream).toBe(streams[63]);
      });

      test("gives the same entry to every reader", async () => {
        const stream = aStream();
        const after = new Map<string, EntryId>([[stream, "0-0"]]);
        const readers = [1, 2, 3].map(() => broker.read({ after, count: 10, waitMs: longMs }, never));
        await broker.publish(publications(stream, ["news"]));
        expect((await Promise.all(readers)).map(bodies)).toEqual([["news"], ["news"], ["news"]]);
      });

      test("answers none when none came in time, at once when the signal aborts, also without streams", async () => {
        const after = new Map<string, EntryId>([[aStream(), "0-0"]]);
        await expect(broker.read({ after, count: 1, waitMs: 0 }, never)).resolves.toEqual([]);
        await expect(broker.read({ after, count: 1, waitMs: 20 }, never)).resolves.toEqual([]);
        await expect(broker.read({ after: new Map(), count: 1, waitMs: 20 }, never)).resolves.toEqual([]);
        const abort = new AbortController();
        const waiting = [after, new Map<string, EntryId>()].map((each) =>
          broker.read({ after: each, count: 1, waitMs: longMs }, abort.signal),
        );
        abort.abort();
        await expect(Promise.all(waiting)).resolves.toEqual([[], []]);
        await expect(broker.read({ after, count: 1, waitMs: longMs }, abort.signal)).resolves.toEqual([]);
      });
    });

    describe("range, remove, trim, drop and lastId", () => {
      test("range begins after the id and ends at the count", async () => {
        const stream = aStream();
        const ids = await broker.publish(publications(stream, ["1", "2", "3", "4"]));
        expect(bodies(await broker.range(stream, { after: ids[0] ?? "0-0", count: 2 }))).toEqual(["2", "3"]);
        expect(await broker.range(stream, { after: ids[3] ?? "0-0", count: 2 })).toEqual([]);
        expect(await broker.range(aStream(), { after: "0-0", count: 2 })).toEqual([]);
      });

      test("remove deletes the named entries and ignores others", async () => {
        const stream = aStream();
        const all = Array.from({ length: 2_500 }, (_, index) => `${index}`);
        const ids = await broker.publish(publications(stream, all));
        await broker.remove(stream, [...ids.filter((_, index) => index % 5 !== 0), "1-1"]);
        await broker.remove(stream, []);
        await broker.remove(aStream(), ["1-1"]);
        expect(await contents(broker, stream)).toEqual(all.filter((_, index) => index % 5 === 0));
        await broker.remove(stream, ids);
        expect(await contents(broker, stream)).toEqual([]);
      });

      test("trim deletes what is below the id", async () => {
        const stream = aStream();
        const ids = await broker.publish(publications(stream, ["1", "2", "3"]));
        await broker.trim(stream, ids[2] ?? "0-0");
        expect(await contents(broker, stream)).toEqual(["3"]);
        await broker.trim(aStream(), "5-5");
      });

      test("lastId outlives its entry and ends with the stream", async () => {
        const stream = aStream();
        expect(await broker.lastId(stream)).toBe("0-0");
        const ids = await broker.publish(publications(stream, ["1", "2"]));
        await broker.remove(stream, ids);
        expect(await broker.lastId(stream)).toBe(ids[1]);
        await broker.drop([stream, aStream()]);
        expect(await broker.lastId(stream)).toBe("0-0");
        await broker.drop([]);
      });

      test("has knows what waits, and nothing that was taken, removed or never there", async () => {
        const stream = aStream();
        expect(await broker.has(stream, ["1-1"])).toEqual(new Set());
        const ids = await broker.publish(publications(stream, ["1", "2", "3", "4"]));
        expect(await broker.has(stream, [...ids, "1-1"])).toEqual(new Set(ids));
        await broker.remove(stream, ids.slice(2, 3));
        await broker.take({ streams: [stream], group: "g", consumer: "a", count: 1, waitMs: 0 }, never);
        expect(await broker.has(stream, ids)).toEqual(new Set([ids[1], ids[3]]));
        expect(await broker.has(stream, [])).toEqual(new Set());
        await broker.drop([stream]);
        expect(await broker.has(stream, ids)).toEqual(new Set());
      });

      test("has finds each of thousands", async () => {
        const stream = aStream();
        const all = Array.from({ length: 2_500 }, (_, index) => `${index}`);
        const ids = await broker.publish(publications(stream, all));
        expect((await broker.has(stream, ids)).size).toBe(2_500);
      });
    });

    describe("numbered streams", () => {
      const append = (stream: string, series: number, after: number, texts: readonly string[]) =>
        broker.appendNumbered({ stream, series, after, bodies: texts.map(bytes) });
      const replace = (stream: string, series: number, after: number, texts: readonly string[]) =>
        broker.replaceNumbered({ stream, series, after, bodies: texts.map(bytes) });

      test("number the entries of a series and name the oldest that is left", async () => {
        const stream = aStream();
        expect(await append(stream, 1, 0, ["a", "b"])).toEqual({ kind: "appended", firstLeft: 1 });
        expect(await append(stream, 1, 2, ["c"])).toEqual({ kind: "appended", firstLeft: 1 });
        expect(await idsOf(broker, stream)).toEqual(["1-1", "1-2", "1-3"]);
        expect(await contents(broker, stream)).toEqual(["a", "b", "c"]);
        await broker.trim(stream, "1-3");
        expect(await append(stream, 1, 3, [])).toEqual({ kind: "appended", firstLeft: 3 });
      });

      test("go on after everything was trimmed or removed", async () => {
        const stream = aStream();
        await append(stream, 1, 0, ["a", "b"]);
        await broker.trim(stream, "1-3");
        expect(await append(stream, 1, 2, [])).toEqual({ kind: "appended", firstLeft: undefined });
        expect(await append(stream, 1, 2, ["c"])).toEqual({ kind: "appended", firstLeft: 3 });
        await broker.remove(stream, ["1-3"]);
        expect(await append(stream, 1, 3, [])).toEqual({ kind: "appended", firstLeft: undefined });
        expect(await append(stream, 1, 3, ["d"])).toEqual({ kind: "appended", firstLeft: 4 });
        expect(await broker.lastId(stream)).toBe("1-4");
      });

      test("report a gap, also with nothing to append, and then hold what they held", async () => {
        const stream = aStream();
        const gap = { kind: "gap" };
        expect(await append(stream, 1, 4, ["e"])).toEqual(gap);
        expect(await append(stream, 1, 4, [])).toEqual(gap);
        await append(stream, 1, 0, ["a", "b"]);
        expect(await append(stream, 1, 3, ["d"])).toEqual(gap);
        expect(await append(stream, 1, 1, ["b"])).toEqual(gap);
        expect(await append(stream, 1, 0, ["a"])).toEqual(gap);
        expect(await append(stream, 2, 1, ["b"])).toEqual(gap);
        expect(await contents(broker, stream)).toEqual(["a", "b"]);
        expect(await broker.lastId(stream)).toBe("1-2");
      });

      test("let a later series begin, keep the entries of the earlier, and refuse its writer from then on", async () => {
        const stream = aStream();
        await append(stream, 1, 0, ["old"]);
        expect(await append(stream, 3, 0, [])).toEqual({ kind: "appended", firstLeft: undefined });
        expect(await append(stream, 3, 0, ["new"])).toEqual({ kind: "appended", firstLeft: 1 });
        const superseded = { kind: "superseded" };
        expect(await append(stream, 1, 1, ["late"])).toEqual(superseded);
        expect(await append(stream, 1, 1, [])).toEqual(superseded);
        expect(await append(stream, 2, 0, ["late"])).toEqual(superseded);
        expect(await replace(stream, 1, 0, ["late"])).toEqual(superseded);
        expect(await contents(broker, stream)).toEqual(["old", "new"]);
        await broker.remove(stream, ["3-1"]);
        expect(await append(stream, 1, 1, ["late"])).toEqual(superseded);
      });

      test("order numbers of several digits as numbers", async () => {
        const stream = aStream();
        const texts = Array.from({ length: 120 }, (_, index) => `${index + 1}`);
        expect(await append(stream, 9, 0, texts.slice(0, 9))).toEqual({ kind: "appended", firstLeft: 1 });
        expect(await append(stream, 9, 9, texts.slice(9))).toEqual({ kind: "appended", firstLeft: 1 });
        expect(await contents(broker, stream)).toEqual(texts);
        expect(await append(stream, 10, 0, ["next"])).toEqual({ kind: "appended", firstLeft: 1 });
        const far = 2 ** 50;
        expect(await replace(stream, 10, far, ["far"])).toEqual({ kind: "appended", firstLeft: far + 1 });
        expect(await broker.lastId(stream)).toBe(`10-${far + 1}`);
      });

      test("are put in place of what a stream has lost", async () => {
        const stream = aStream();
        await append(stream, 1, 0, ["a", "b", "c"]);
        await broker.drop([stream]);
        expect(await append(stream, 1, 3, ["d"])).toEqual({ kind: "gap" });
        expect(await replace(stream, 1, 1, ["b", "c", "d"])).toEqual({ kind: "appended", firstLeft: 2 });
        expect(await idsOf(broker, stream)).toEqual(["1-2", "1-3", "1-4"]);
        expect(await append(stream, 1, 4, ["e"])).toEqual({ kind: "appended", firstLeft: 2 });
      });

      test("are put back at numbers below the last one, with earlier series untouched", async () => {
        const stream = aStream();
        await append(stream, 1, 0, ["old 1", "old 2"]);
        await append(stream, 2, 0, ["x", "x", "x", "x", "x", "x"]);
        await broker.remove(stream, ["2-6"]);
        expect(await replace(stream, 2, 1, ["b", "c"])).toEqual({ kind: "appended", firstLeft: 2 });
        expect(await idsOf(broker, stream)).toEqual(["1-1", "1-2", "2-2", "2-3"]);
        expect(await contents(broker, stream)).toEqual(["old 1", "old 2", "b", "c"]);
        expect(await broker.lastId(stream)).toBe("2-3");
        expect(await append(stream, 2, 3, ["d"])).toEqual({ kind: "appended", firstLeft: 2 });
      });

      test("continue after being replaced by nothing", async () => {
        const stream = aStream();
        await append(stream, 1, 0, ["old"]);
        await append(stream, 2, 0, ["x", "x", "x"]);
        expect(await replace(stream, 2, 2, [])).toEqual({ kind: "appended", firstLeft: undefined });
        expect(await contents(broker, stream)).toEqual(["old"]);
        expect(await broker.lastId(stream)).toBe("2-2");
        expect(await append(stream, 2, 2, ["c"])).toEqual({ kind: "appended", firstLeft: 3 });
        expect(await replace(stream, 2, 0, [])).toEqual({ kind: "appended", firstLeft: undefined });
        expect(await append(stream, 2, 0, ["a"])).toEqual({ kind: "appended", firstLeft: 1 });
      });

      test("wake a reader, also when they are replaced", async () => {
        const stream = aStream();
        const first = broker.read({ after: new Map([[stream, "0-0"]]), count: 10, waitMs: longMs }, never);
        await append(stream, 1, 0, ["a"]);
        expect(bodies(await first)).toEqual(["a"]);
        const second = broker.read({ after: new Map([[stream, "1-1"]]), count: 10, waitMs: longMs }, never);
        await replace(stream, 1, 0, ["a", "b"]);
        expect(bodies(await second)).toEqual(["b"]);
      });

      test("take one of two writers of the same number", async () => {
        const stream = aStream();
        const outcomes = await Promise.all(["a", "b", "c"].map((each) => append(stream, 1, 0, [each])));
        expect(outcomes.map(({ kind }) => kind).toSorted()).toEqual(["appended", "gap", "gap"]);
        expect(await contents(broker, stream)).toHaveLength(1);
      });
    });

    test("raise counts up from one, each counter for itself", async () => {
      const [a, b] = [aStream(), aStream()];
      expect([await broker.raise(a), await broker.raise(a), await broker.raise(b)]).toEqual([1, 2, 1]);
    });

    test("streams names those with a prefix, whatever characters it has, and no counters", async () => {
      const prefix = `${aStream()}:[a*?\\`;
      await broker.publish([...publications(`${prefix}1`, ["x"]), ...publications(`${prefix}2`, ["x"])]);
      await broker.publish(publications(`${prefix.slice(0, -1)}3`, ["x"]));
      await broker.raise(`${prefix}counter`);
      const names = new Set<string>();
      for await (const name of broker.streams(prefix)) names.add(name);
      expect([...names].toSorted()).toEqual([`${prefix}1`, `${prefix}2`]);
    });

    test("ping answers", async () => {
      await expect(broker.ping(1_000)).resolves.toBeUndefined();
    });

    test("a closed broker refuses calls and rejects those that wait", async () => {
      const closed = await open();
      const from = { group: "takers", consumer: "a", count: 1, waitMs: longMs };
      const waiting = Promise.allSettled([
        closed.take({ ...from, streams: [aStream()] }, never),
        closed.read({ after: new Map([[aStream(), "0-0"]]), count: 1, waitMs: longMs }, never),
      ]);
      await closed.ping(1_000);
      await closed[Symbol.asyncDispose]();
      const rejected = { status: "rejected", reason: expect.any(BrokerUnavailable) };
      expect(await waiting).toEqual([rejected, rejected]);
      await expect(closed.publish(publications(aStream(), ["x"]))).rejects.toThrow(BrokerUnavailable);
      await expect(closed.take({ ...from, streams: [aStream()] }, never)).rejects.toThrow(BrokerUnavailable);
      await expect(closed.ping(1_000)).rejects.toThrow(BrokerUnavailable);
      await closed[Symbol.asyncDispose]();
    });
  });
}

const aStream = (): string => `test:${randomUUID()}`;
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (body: Uint8Array): string => new TextDecoder().decode(body);
const bodies = (entries: readonly Entry[]): string[] => entries.map(({ body }) => text(body));
const publications = (stream: string, texts: readonly string[]) =>
  texts.map((each) => ({ stream, body: bytes(each) }));

async function contents(broker: Broker, stream: string): Promise<string[]> {
  return bodies(await broker.range(stream, { after: "0-0", count: 10_000 }));
}

async function idsOf(broker: Broker, stream: string): Promise<EntryId[]> {
  const entries = await broker.range(stream, { after: "0-0", count: 10_000 });
  return entries.map(({ id }) => id);
}
