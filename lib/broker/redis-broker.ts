/*
 * The broker on Redis Streams.
 *
 *   R1. Commands that wait have connections of their own (redis-waiting.ts);
 *       all others share one, on which they run in the order of the calls.
 *   R2. What a group takes is never pending (NOACK), and is deleted by trimming
 *       the stream up to it: whatever stands before it was given out earlier,
 *       so this also clears what a taker left that died before its own trim.
 *   R3. A group that vanished, with its stream or alone, is made again at the
 *       start of the stream as soon as a taker notices, so nothing that was
 *       published meanwhile is passed over.
 *   R4. No command or script names keys of two streams in one step, except
 *       those that wait for several streams.
 */
import type { ChainableCommander, Redis } from "ioredis";
import { delay } from "../async/delay.ts";
import {
  type Broker,
  BrokerUnavailable,
  type Entry,
  type EntryId,
  type NumberedAppend,
  type NumberedOutcome,
  type Publication,
  partsOf,
} from "./broker.ts";
import { RedisConnection } from "./redis-connection.ts";
import {
  bodyField,
  type EntriesReply,
  entriesOf,
  entriesOfStreams,
  infoValue,
  type StreamsReply,
} from "./redis-entries.ts";
import { RedisScript } from "./redis-script.ts";
import { maxBlockMs, RedisWaiting } from "./redis-waiting.ts";

/** How long a connection that owes an answer may be silent: longer than any command here takes, short enough to tell the caller soon. */
const silenceMs = 3_000;

/** Ids in one XDEL, so that no single command holds Redis up. */
const idsPerDelete = 1_000;

/** Where a Redis is, and who hears about how it is set up. */
export interface RedisBrokerOptions {
  /** `redis://[user:password@]host[:port][/db]`, `rediss://…` (TLS), `unix:///path` or `/path`. */
  readonly url: string;
  /** How long the first connection may take, in milliseconds; 5,000 when unset. */
  readonly openWithinMs?: number;
  /** Told once, at the start, when the server may evict entries or does not tell whether it does. */
  readonly onWarning?: (message: string) => void;
}

interface TakeFrom {
  readonly streams: readonly string[];
  readonly group: string;
  readonly consumer: string;
  readonly count: number;
}

export class RedisBroker implements Broker {
  readonly kind = "redis";
  readonly #commands: RedisConnection;
  readonly #waiting: RedisWaiting;
  readonly #numbered = new RedisScript("numbered");
  /** Deletions of taken entries that Redis has not answered yet. */
  readonly #forgetting = new Set<Promise<void>>();

  private constructor(url: string) {
    this.#commands = new RedisConnection(url, { silenceMs });
    this.#waiting = new RedisWaiting(url, this.#commands);
  }

  /** Connects; rejects with `BrokerUnavailable` when that does not succeed in time. Redis 6.2 or newer, or Valkey. */
  static async open({ url, openWithinMs = 5_000, onWarning }: RedisBrokerOptions): Promise<RedisBroker> {
    const broker = new RedisBroker(url);
    try {
      await broker.#commands.untilReady(openWithinMs);
      await broker.#checkEviction(onWarning);
      return broker;
    } catch (error) {
      await broker[Symbol.asyncDispose]();
      throw error;
    }
  }

  async publish(publications: readonly Publication[]): Promise<EntryId[]> {
    if (publications.length === 0) return [];
    const ids = await this.#pipelined((pipeline) => {
      for (const { stream, body } of publications) pipeline.xadd(stream, "*", bodyField, asBuffer(body));
    });
    return ids as EntryId[];
  }

  async take(from: TakeFrom & { readonly waitMs: number }, signal: AbortSignal): Promise<Entry[]> {
    if (signal.aborted) return [];
    if (from.streams.length > 1 || from.waitMs < 1) {
      const taken = await this.#takeInOrder(from);
      if (taken.length > 0 || from.waitMs < 1) return taken;
    }
    return await repeatUntilSome(from.waitMs, signal, (blockMs) => this.#takeWaiting(from, blockMs, signal));
  }

  async read(
    {
      after,
      count,
      waitMs,
    }: { readonly after: ReadonlyMap<string, EntryId>; readonly count: number; readonly waitMs: number },
    signal: AbortSignal,
  ): Promise<Entry[]> {
    if (signal.aborted) return [];
    const streams = ["STREAMS", ...after.keys(), ...after.values()] as const;
    if (waitMs < 1) {
      if (after.size === 0) return [];
      return await this.#commands.run(async (redis) =>
        entriesOfStreams((await redis.xreadBuffer("COUNT", count, ...streams)) as StreamsReply),
      );
    }
    return await repeatUntilSome(waitMs, signal, async (blockMs) => {
      if (after.size === 0) return await delay(blockMs, signal).then(() => []);
      const reply = await this.#waiting.run(
        (redis) => redis.xreadBuffer("COUNT", count, "BLOCK", blockMs, ...streams),
        signal,
      );
      return entriesOfStreams(reply);
    });
  }

  async range(
    stream: string,
    { after, count }: { readonly after: EntryId; readonly count: number },
  ): Promise<Entry[]> {
    return await this.#commands.run(async (redis) =>
      entriesOf(stream, (await redis.xrangeBuffer(stream, `(${after}`, "+", "COUNT", count)) as EntriesReply),
    );
  }

  async remove(stream: string, ids: readonly EntryId[]): Promise<void> {
    if (ids.length === 0) return;
    await this.#pipelined((pipeline) => {
      for (let at = 0; at < ids.length; at += idsPerDelete)
        pipeline.xdel(stream, ...ids.slice(at, at + idsPerDelete));
    });
  }

  async trim(stream: string, below: EntryId): Promise<void> {
    await this.#commands.run((redis) => redis.xtrim(stream, "MINID", "=", below));
  }

  async drop(streams: readonly string[]): Promise<void> {
    if (streams.length === 0) return;
    await this.#pipelined((pipeline) => {
      for (const stream of streams) pipeline.unlink(stream);
    });
  }

  async takenUpTo(stream: string, group: string): Promise<EntryId | undefined> {
    const groups = await this.#unlessMissing((redis) => redis.xinfo("GROUPS", stream));
    const ours = (groups as unknown[][] | undefined)?.find((each) => infoValue(each, "name") === group);
    return ours && (infoValue(ours, "last-delivered-id") as EntryId);
  }

  async lastId(stream: string): Promise<EntryId> {
    const info = await this.#unlessMissing((redis) => redis.xinfo("STREAM", stream));
    return info === undefined ? "0-0" : (infoValue(info, "last-generated-id") as EntryId);
  }

  async appendNumbered(append: NumberedAppend): Promise<NumberedOutcome> {
    return await this.#writeNumbered("append", append);
  }

  async replaceNumbered(append: NumberedAppend): Promise<NumberedOutcome> {
    return await this.#writeNumbered("replace", append);
  }

  async raise(counter: string): Promise<number> {
    return await this.#commands.run((redis) => redis.incr(counter));
  }

  async *streams(prefix: string): AsyncGenerator<string> {
    const pattern = `${prefix.replaceAll(/[\\*?[\]]/g, "\\$&")}*`;
    let cursor = "0";
    do {
      const [next, names] = await this.#commands.run((redis) =>
        redis.scan(cursor, "MATCH", pattern, "COUNT", 1_000, "TYPE", "stream"),
      );
      yield* names;
      cursor = next;
    } while (cursor !== "0");
  }

  async ping(timeoutMs: number): Promise<void> {
    const over = new AbortController();
    const answered = this.#commands.run((redis) => redis.ping(), over.signal).then(() => true);
    const inTime = await Promise.race([answered, delay(timeoutMs, over.signal).then(() => false)]).finally(
      () => over.abort(),
    );
    if (!inTime) throw new BrokerUnavailable(`redis did not answer within ${timeoutMs} ms`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#waiting.close();
    await Promise.all(this.#forgetting);
    await this.#commands.close();
  }

  async #takeWaiting(from: TakeFrom, blockMs: number, signal: AbortSignal): Promise<Entry[]> {
    const { streams, count } = from;
    // Redis bounds what it gives of each stream. With more streams than free
    // places a wait may bring too much, when several streams fill in one
    // moment; what is too much goes back to the end of its stream.
    const perStream = Math.max(1, Math.floor(count / streams.length));
    const taken = await this.#takeOnce({ ...from, count: perStream }, (read) =>
      this.#waiting.run((redis) => read(redis, blockMs), signal),
    );
    const excess = taken?.splice(count) ?? [];
    await this.publish(excess).catch(lostWithTheirTaker);
    return taken ?? [];
  }

  /** Without waiting: each stream is asked for what those before it left of `count`. */
  async #takeInOrder(from: TakeFrom): Promise<Entry[]> {
    const taken: Entry[] = [];
    for (const stream of from.streams) {
      const ask = { ...from, streams: [stream], count: from.count - taken.length };
      if (ask.count < 1) break;
      const once = (): Promise<Entry[] | undefined> =>
        this.#takeOnce(ask, (read) => this.#commands.run((redis) => read(redis)));
      taken.push(...((await once()) ?? (await once()) ?? []));
    }
    return taken;
  }

  /** Takes with one command; undefined when a group was missing, which is there by then. */
  async #takeOnce(
    { streams, group, consumer, count }: TakeFrom,
    run: (read: (redis: Redis, blockMs?: number) => Promise<StreamsReply>) => Promise<StreamsReply>,
  ): Promise<Entry[] | undefined> {
    const options = ["NOACK", "STREAMS", ...streams, ...streams.map(() => ">")] as const;
    const read = async (redis: Redis, blockMs?: number): Promise<StreamsReply> => {
      const reply =
        blockMs === undefined
          ? redis.xreadgroupBuffer("GROUP", group, consumer, "COUNT", count, ...options)
          : redis.xreadgroupBuffer("GROUP", group, consumer, "COUNT", count, "BLOCK", blockMs, ...options);
      return await reply;
    };
    try {
      const taken = entriesOfStreams(await run(read));
      this.#forget(taken);
      return taken;
    } catch (error) {
      if (!isRefusal(error, /^(NOGROUP|UNBLOCKED)/)) throw error;
      await Promise.all(streams.map((stream) => this.#makeGroup(stream, group)));
      return undefined;
    }
  }

  async #makeGroup(stream: string, group: string): Promise<void> {
    try {
      await this.#commands.run((redis) => redis.xgroup("CREATE", stream, group, "0", "MKSTREAM"));
    } catch (error) {
      if (!isRefusal(error, /^BUSYGROUP/)) throw error;
    }
  }

  /** Deletes what was taken (R2). Sent before the taker goes on, so whatever it asks next finds the entries gone. */
  #forget(taken: readonly Entry[]): void {
    if (taken.length === 0) return;
    const lastOf = new Map(taken.map(({ stream, id }) => [stream, id]));
    const forgetting = this.#pipelined((pipeline) => {
      for (const [stream, id] of lastOf) pipeline.xtrim(stream, "MINID", "=", idAfter(id));
    })
      .then(() => undefined, lostWithTheirTaker)
      .finally(() => this.#forgetting.delete(forgetting));
    this.#forgetting.add(forgetting);
  }

  async #writeNumbered(mode: "append" | "replace", append: NumberedAppend): Promise<NumberedOutcome> {
    const { stream, series, after, bodies } = append;
    const args = [mode, series, after, ...bodies.map(asBuffer)];
    const reply = await this.#commands.run((redis) => this.#numbered.run(redis, stream, args));
    const [kind, firstLeft] = reply as ["appended", number?] | ["superseded"] | ["gap"];
    return kind === "appended" ? { kind, firstLeft } : { kind };
  }

  /** Runs commands in one round trip and answers their replies; rejects when any of them failed. */
  async #pipelined(fill: (pipeline: ChainableCommander) => void): Promise<unknown[]> {
    return await this.#commands.run(async (redis) => {
      const pipeline = redis.pipeline();
      fill(pipeline);
      const replies = (await pipeline.exec()) ?? [];
      return replies.map(([error, reply]) => {
        if (error) throw error;
        return reply;
      });
    });
  }

  async #unlessMissing(info: (redis: Redis) => Promise<unknown>): Promise<unknown[] | undefined> {
    try {
      return (await this.#commands.run(info)) as unknown[];
    } catch (error) {
      if (isRefusal(error, /no such key/)) return undefined;
      throw error;
    }
  }

  async #checkEviction(onWarning: RedisBrokerOptions["onWarning"]): Promise<void> {
    const policy = await this.#commands
      .run((redis) => redis.config("GET", "maxmemory-policy"))
      .then((reply) => infoValue(reply as unknown[], "maxmemory-policy"))
      .catch((error: unknown) => {
        if (error instanceof BrokerUnavailable) throw error;
        return undefined;
      });
    if (policy === "noeviction") return;
    onWarning?.(
      policy === undefined
        ? "redis does not tell its maxmemory-policy; it must be noeviction, or entries may vanish"
        : `redis has maxmemory-policy ${policy as string}; with anything but noeviction entries may vanish`,
    );
  }
}

/** Repeats a command that waits a little until it brings something, `waitMs` have passed or `signal` aborts. */
async function repeatUntilSome(
  waitMs: number,
  signal: AbortSignal,
  attempt: (blockMs: number) => Promise<Entry[]>,
): Promise<Entry[]> {
  const until = performance.now() + waitMs;
  for (;;) {
    const blockMs = Math.ceil(Math.min(until - performance.now(), maxBlockMs));
    if (signal.aborted || blockMs <= 0) return [];
    try {
      const entries = await attempt(blockMs);
      if (entries.length > 0) return entries;
    } catch (error) {
      if (!(signal.aborted && error instanceof BrokerUnavailable)) throw error;
    }
  }
}

/** For an outage in the middle of taking: what was taken is with the taker all the same, and the rest is lost with it, which the callers of a broker mend (B1). */
function lostWithTheirTaker(error: unknown): void {
  if (!(error instanceof BrokerUnavailable)) throw error;
}

function isRefusal(error: unknown, code: RegExp): boolean {
  return error instanceof Error && !(error instanceof BrokerUnavailable) && code.test(error.message);
}

function idAfter(id: EntryId): EntryId {
  const [major, minor] = partsOf(id);
  return `${major}-${minor + 1}`;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
