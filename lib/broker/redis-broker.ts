/*
 * The broker on Redis Streams.
 *
 *   R1. Commands that wait have connections of their own (redis-waiting.ts);
 *       all others share one, on which they run in the order of the calls.
 *   R2. No command or script names keys of two streams in one step, except
 *       those that wait for several streams.
 */
import type { Redis } from "ioredis";
import { delay } from "../async/delay.ts";
import {
  type Broker,
  BrokerUnavailable,
  type Entry,
  type EntryId,
  type NumberedAppend,
  type NumberedOutcome,
  type Publication,
} from "./broker.ts";
import { isRefusal, RedisConnection } from "./redis-connection.ts";
import {
  asBuffer,
  bodyField,
  type EntriesReply,
  entriesOf,
  entriesOfStreams,
  infoValue,
  type StreamsReply,
} from "./redis-entries.ts";
import { RedisScript } from "./redis-script.ts";
import { RedisTaking, type TakeFrom } from "./redis-taking.ts";
import { RedisWaiting, untilSome } from "./redis-waiting.ts";

/** How long a connection that owes an answer may be silent: longer than any command here takes, short enough to tell the caller soon. */
const silenceMs = 3_000;

/** How long a counter that nobody raises is kept: its owner is gone. */
const counterSeconds = 24 * 60 * 60;

/** Ids in one command, so that no single one holds Redis up. */
const idsPerCommand = 1_000;

/** Where a Redis is, and who hears about how it is set up. */
export interface RedisBrokerOptions {
  /** `redis://[user:password@]host[:port][/db]`, `rediss://…` (TLS), `unix:///path` or `/path`. */
  readonly url: string;
  /** How long the first connection may take, in milliseconds; 5,000 when unset. */
  readonly openWithinMs?: number;
  /** Told once, at the start, when the server may evict entries or does not tell whether it does. */
  readonly onWarning?: (message: string) => void;
}

export class RedisBroker implements Broker {
  readonly kind = "redis";
  readonly #commands: RedisConnection;
  readonly #waiting: RedisWaiting;
  readonly #numbered = new RedisScript("numbered");
  readonly #whichWait = new RedisScript("waiting");
  readonly #taking: RedisTaking;

  private constructor(url: string) {
    this.#commands = new RedisConnection(url, { silenceMs });
    this.#waiting = new RedisWaiting(url, this.#commands);
    this.#taking = new RedisTaking(this.#commands, this.#waiting);
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
    const ids = await this.#commands.pipelined((pipeline) => {
      for (const { stream, body, keepLatest } of publications) {
        const bound = keepLatest === undefined ? [] : (["MAXLEN", keepLatest] as const);
        pipeline.xadd(stream, ...bound, "*", bodyField, asBuffer(body));
      }
    });
    return ids as EntryId[];
  }

  async take(from: TakeFrom & { readonly waitMs: number }, signal: AbortSignal): Promise<Entry[]> {
    return await this.#taking.take(from, signal);
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
    return await untilSome(waitMs, signal, async (blockMs) => {
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
    await this.#commands.pipelined((pipeline) => {
      for (let at = 0; at < ids.length; at += idsPerCommand)
        pipeline.xdel(stream, ...ids.slice(at, at + idsPerCommand));
    });
  }

  async trim(stream: string, below: EntryId): Promise<void> {
    await this.#commands.run((redis) => redis.xtrim(stream, "MINID", "=", below));
  }

  async drop(streams: readonly string[]): Promise<void> {
    if (streams.length === 0) return;
    await this.#commands.pipelined((pipeline) => {
      for (const stream of streams) pipeline.unlink(stream);
    });
  }

  async has(stream: string, ids: readonly EntryId[]): Promise<ReadonlySet<EntryId>> {
    const waiting = new Set<EntryId>();
    for (let at = 0; at < ids.length; at += idsPerCommand) {
      const some = ids.slice(at, at + idsPerCommand);
      const found = await this.#commands.run((redis) => this.#whichWait.run(redis, stream, some));
      for (const id of found as EntryId[]) waiting.add(id);
    }
    return waiting;
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
    const [value] = await this.#commands.pipelined((pipeline) => {
      pipeline.incr(counter);
      pipeline.expire(counter, counterSeconds);
    });
    return value as number;
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
    await this.#taking.settled();
    await this.#commands.close();
  }

  async #writeNumbered(mode: "append" | "replace", append: NumberedAppend): Promise<NumberedOutcome> {
    const { stream, series, after, bodies } = append;
    const args = [mode, series, after, ...bodies.map(asBuffer)];
    const reply = await this.#commands.run((redis) => this.#numbered.run(redis, stream, args));
    const [kind, firstLeft] = reply as ["appended", number?] | ["superseded"] | ["gap"];
    return kind === "appended" ? { kind, firstLeft } : { kind };
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
