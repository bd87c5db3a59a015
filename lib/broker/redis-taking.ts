/*
 * Taking from streams by a group, on Redis.
 *
 *   T1. What a group takes is never pending (NOACK), and is deleted by trimming
 *       the stream up to it: whatever stands before it was given out earlier,
 *       so this also clears what a taker left that died before its own trim.
 *   T2. A group that vanished, with its stream or alone, is made again at the
 *       start of the stream as soon as a taker notices, so nothing that was
 *       published meanwhile is passed over.
 *   T3. What was taken is answered, whatever fails afterwards.
 */
import type { Redis } from "ioredis";
import { BrokerUnavailable, type Entry, type EntryId, partsOf } from "./broker.ts";
import { isRefusal, type RedisConnection } from "./redis-connection.ts";
import { asBuffer, bodyField, entriesOfStreams, type StreamsReply } from "./redis-entries.ts";
import { type RedisWaiting, untilSome } from "./redis-waiting.ts";

/** What is taken from where, as in `Broker.take`. */
export interface TakeFrom {
  readonly streams: readonly string[];
  readonly group: string;
  readonly consumer: string;
  readonly count: number;
}

/** Runs a command on one connection or another. */
type Run = (read: (redis: Redis, blockMs?: number) => Promise<StreamsReply>) => Promise<StreamsReply>;

export class RedisTaking {
  readonly #commands: RedisConnection;
  readonly #waiting: RedisWaiting;
  /** Deletions of taken entries that Redis has not answered yet. */
  readonly #forgetting = new Set<Promise<void>>();

  constructor(commands: RedisConnection, waiting: RedisWaiting) {
    this.#commands = commands;
    this.#waiting = waiting;
  }

  /** As `Broker.take`. */
  async take(from: TakeFrom & { readonly waitMs: number }, signal: AbortSignal): Promise<Entry[]> {
    if (signal.aborted) return [];
    if (from.streams.length > 1 || from.waitMs < 1) {
      const taken = await this.#takeInOrder(from, signal);
      if (taken.length > 0 || from.waitMs < 1) return taken;
    }
    return await untilSome(from.waitMs, signal, (blockMs) => this.#takeWaiting(from, blockMs, signal));
  }

  /** Resolves when Redis has answered, or failed to answer, every deletion of what was taken. */
  async settled(): Promise<void> {
    await Promise.all(this.#forgetting);
  }

  /** Without waiting: each stream is asked for what those before it left of `count`. */
  async #takeInOrder(from: TakeFrom, signal: AbortSignal): Promise<Entry[]> {
    const taken: Entry[] = [];
    const run: Run = (read) => this.#commands.run((redis) => read(redis), signal);
    for (const stream of from.streams) {
      const ask = { ...from, streams: [stream], count: from.count - taken.length };
      if (ask.count < 1 || signal.aborted) break;
      try {
        taken.push(...((await this.#takeOnce(ask, run)) ?? (await this.#takeOnce(ask, run)) ?? []));
      } catch (error) {
        if (!(error instanceof BrokerUnavailable) || (taken.length === 0 && !signal.aborted)) throw error;
        break;
      }
    }
    return taken;
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
    await this.#handBack(excess);
    return taken ?? [];
  }

  /** Puts entries that were taken at the end of their streams; when that fails they are lost like those of a taker that died (B1). */
  async #handBack(entries: readonly Entry[]): Promise<void> {
    if (entries.length === 0) return;
    await this.#commands
      .pipelined((pipeline) => {
        for (const { stream, body } of entries) pipeline.xadd(stream, "*", bodyField, asBuffer(body));
      })
      .catch(() => undefined);
  }

  /** Takes with one command; undefined when a group was missing, which is there by then. */
  async #takeOnce({ streams, group, consumer, count }: TakeFrom, run: Run): Promise<Entry[] | undefined> {
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

  /** Deletes what was taken (T1). Sent before the taker goes on, so whatever it asks next finds the entries gone. */
  #forget(taken: readonly Entry[]): void {
    if (taken.length === 0) return;
    const lastOf = new Map(taken.map(({ stream, id }) => [stream, id]));
    const forgetting = this.#commands
      .pipelined((pipeline) => {
        for (const [stream, id] of lastOf) pipeline.xtrim(stream, "MINID", "=", idAfter(id));
      })
      .then(
        () => undefined,
        () => undefined, // The next trim of this stream deletes them as well.
      )
      .finally(() => this.#forgetting.delete(forgetting));
    this.#forgetting.add(forgetting);
  }
}

function idAfter(id: EntryId): EntryId {
  const [major, minor] = partsOf(id);
  return `${major}-${minor + 1}`;
}
