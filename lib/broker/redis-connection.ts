/*
 * One connection to Redis that comes back by itself.
 *
 *   C1. A command is written only to a connection that is ready. While it is
 *       not, callers wait for it for `readyWaitMs` and are then refused;
 *       nothing of theirs is queued.
 *   C2. A connection that owes an answer and has been silent for `silenceMs` is
 *       cut and opened again, so a peer that hangs or vanished is noticed.
 *   C3. What was unanswered when a connection ended is rejected and never sent
 *       again: it may have happened.
 */
import { type ChainableCommander, Redis, type RedisOptions, ReplyError } from "ioredis";
import { delay } from "../async/delay.ts";
import { BrokerUnavailable } from "./broker.ts";

/** How long a command waits for a connection that is being opened again. */
const readyWaitMs = 2_000;

/** The longest pause between two attempts to connect: a broker that is back is used within about a second. */
const maxReconnectMs = 1_000;

/** Refusals that pass by themselves, or with an operator's help, and say nothing about the command. */
const passingRefusal = /^(LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|NOREPLICAS|MISCONF|BUSY|OOM) /;

export class RedisConnection {
  readonly #redis: Redis;
  /** Settles for those who wait for the connection; undefined when nobody does. */
  #ready: PromiseWithResolvers<void> | undefined;
  #lastError: Error | undefined;
  #closed = false;

  /** Begins to connect to `redis://…`, `rediss://…`, `unix:///path` or `/path`. */
  constructor(url: string, { silenceMs }: { silenceMs: number }) {
    this.#redis = new Redis(addressOf(url), {
      protocol: 2, // The replies of version 3 differ by server; those of 2 do not.
      socketTimeout: silenceMs,
      connectTimeout: silenceMs,
      disconnectTimeout: 100,
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      disableClientInfo: true,
      retryStrategy: (attempt) => Math.min(25 * 2 ** attempt, maxReconnectMs) * (0.5 + Math.random() / 2),
      // After a fail-over the address may still lead to the former primary.
      reconnectOnError: (error) => error.message.startsWith("READONLY"),
    } satisfies RedisOptions);
    this.#redis.on("error", (error: Error) => {
      this.#lastError = error;
    });
    this.#redis.on("ready", () => {
      this.#lastError = undefined;
      this.#wakeWaiting();
    });
  }

  /**
   * Runs commands. When the connection is ready they are written before this
   * returns, so calls in a row reach the server in their order.
   *
   * Rejects with `BrokerUnavailable` when the connection is away (at once when
   * `signal` aborts meanwhile) or ends before the answer, or when the server
   * cannot serve at the moment; with the server's own error when it refuses the
   * command.
   */
  async run<T>(commands: (redis: Redis) => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (this.#redis.status !== "ready" || this.#closed) await this.untilReady(readyWaitMs, signal);
    try {
      return await commands(this.#redis);
    } catch (error) {
      throw this.#explained(error);
    }
  }

  /** Runs commands in one round trip and answers their replies; rejects when any of them failed. Errors as `run`. */
  async pipelined(fill: (pipeline: ChainableCommander) => void): Promise<unknown[]> {
    return await this.run(async (redis) => {
      const pipeline = redis.pipeline();
      fill(pipeline);
      const replies = (await pipeline.exec()) ?? [];
      return replies.map(([error, reply]) => {
        if (error) throw error;
        return reply;
      });
    });
  }

  /** Resolves when commands can be written; rejects with `BrokerUnavailable` after `waitMs` or when `signal` aborts. */
  async untilReady(waitMs: number, signal?: AbortSignal): Promise<void> {
    if (this.#closed) throw new BrokerUnavailable("the broker has been closed");
    if (this.#redis.status === "ready") return;
    this.#ready ??= Promise.withResolvers();
    const over = new AbortController();
    const endWait = (): void => over.abort();
    signal?.addEventListener("abort", endWait);
    if (signal?.aborted === true) endWait();
    const ready = await Promise.race([
      this.#ready.promise.then(() => true),
      delay(waitMs, over.signal).then(() => false),
    ]);
    signal?.removeEventListener("abort", endWait);
    endWait();
    if (this.#closed) throw new BrokerUnavailable("the broker has been closed");
    if (!ready) throw this.#unavailable("redis could not be reached", this.#lastError);
  }

  /** Drops the connection and opens it again; what it owes is rejected. */
  cut(): void {
    this.#redis.disconnect(true);
  }

  /** Ends the connection for good; what it owes is rejected. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const { status } = this.#redis;
    const ended = Promise.withResolvers<void>();
    this.#redis.once("end", () => ended.resolve());
    this.#redis.disconnect();
    this.#wakeWaiting();
    // Between two attempts there is no socket whose end could be awaited.
    if (status === "connecting" || status === "connect" || status === "ready") await ended.promise;
  }

  #wakeWaiting(): void {
    this.#ready?.resolve();
    this.#ready = undefined;
  }

  #explained(error: unknown): unknown {
    if (!(error instanceof Error) || error instanceof BrokerUnavailable || error instanceof TypeError)
      return error;
    if (!(error instanceof ReplyError))
      return this.#unavailable("redis did not answer", this.#lastError ?? error);
    return passingRefusal.test(error.message) ? this.#unavailable("redis cannot serve", error) : error;
  }

  #unavailable(what: string, cause: Error | undefined): BrokerUnavailable {
    if (this.#closed) return new BrokerUnavailable("the broker has been closed");
    return new BrokerUnavailable(cause === undefined ? what : `${what}: ${cause.message}`, { cause });
  }
}

/** Whether the server refused a command in these words; Redis has no other codes. */
export function isRefusal(error: unknown, words: RegExp): boolean {
  return error instanceof Error && !(error instanceof BrokerUnavailable) && words.test(error.message);
}

function addressOf(url: string): string {
  if (/^rediss?:\/\//.test(url) || url.startsWith("/")) return url;
  if (url.startsWith("unix:///")) return url.slice("unix://".length);
  throw new Error("the address of a redis begins with redis://, rediss://, unix:/// or /");
}
