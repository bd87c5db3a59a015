/*
 * Commands that block their connection, each on one of its own.
 *
 *   W1. Nothing else is written to a connection while it waits.
 *   W2. The end of a wait is asked of Redis itself (CLIENT UNBLOCK), so that
 *       entries which came in the same moment are answered and not lost. Only
 *       when Redis does not answer that either, the connection is cut.
 */
import type { Redis } from "ioredis";
import { delay } from "../async/delay.ts";
import { BrokerUnavailable, type Entry } from "./broker.ts";
import { RedisConnection } from "./redis-connection.ts";

/** The longest that one command blocks: a connection that went dead behind a proxy is noticed within this time and the silence allowed on top. */
const maxBlockMs = 2_000;

/** How long a blocked connection may be silent before it counts as dead. */
const silenceMs = maxBlockMs + 2_000;

/** How long an aborted wait goes on asking Redis to end it. */
const interruptMs = 250;

/** Connections kept for the next wait; those of a burst beyond it are closed. */
const maxIdle = 16;

/** Why a wait is over. Without a reason each abort would make an exception with its stack. */
const done = "answered";

export class RedisWaiting {
  readonly #url: string;
  readonly #commands: RedisConnection;
  readonly #open = new Set<RedisConnection>();
  readonly #idle: RedisConnection[] = [];
  readonly #clientIds = new WeakMap<object, Promise<number>>();
  #closed = false;

  /** `commands` is a connection that never blocks; waits are ended through it. */
  constructor(url: string, commands: RedisConnection) {
    this.#url = url;
    this.#commands = commands;
  }

  /** Runs a command that blocks for at most `maxBlockMs`; when `signal` aborts it answers at once with what it has. Errors as `RedisConnection.run`. */
  async run<T>(command: (redis: Redis) => Promise<T>, signal: AbortSignal): Promise<T> {
    if (this.#closed) throw new BrokerUnavailable("the broker has been closed");
    const connection = this.#idle.pop() ?? this.#connect();
    const answered = new AbortController();
    try {
      return await connection.run(async (redis) => {
        const clientId = this.#clientIdOf(redis);
        const answer = command(redis);
        const [reply] = await Promise.all([
          answer.finally(() => answered.abort(done)),
          clientId,
          this.#interruptOnAbort({ connection, clientId, answered: answered.signal }, signal),
        ]);
        return reply;
      }, signal);
    } finally {
      answered.abort(done);
      await this.#giveBack(connection);
    }
  }

  /** Ends every connection; commands that still wait are rejected. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#open].map((connection) => connection.close()));
  }

  /** What Redis calls the connection; asked once for each socket, because a connection that comes back is another. */
  #clientIdOf(redis: Redis): Promise<number> {
    const known = this.#clientIds.get(redis.stream);
    if (known !== undefined) return known;
    const asked = redis.client("ID");
    this.#clientIds.set(redis.stream, asked);
    return asked;
  }

  #connect(): RedisConnection {
    const connection = new RedisConnection(this.#url, { silenceMs });
    this.#open.add(connection);
    return connection;
  }

  async #giveBack(connection: RedisConnection): Promise<void> {
    if (this.#closed) return;
    if (this.#idle.length < maxIdle) {
      this.#idle.push(connection);
      return;
    }
    this.#open.delete(connection);
    await connection.close();
  }

  /** Returns when the answer is there. Asks more than once: the first time the command may not have begun to wait. */
  async #interruptOnAbort(
    {
      connection,
      clientId,
      answered,
    }: { connection: RedisConnection; clientId: Promise<number>; answered: AbortSignal },
    signal: AbortSignal,
  ): Promise<void> {
    await abortOf(signal, answered);
    if (answered.aborted) return;
    const over = AbortSignal.any([answered, AbortSignal.timeout(interruptMs)]);
    while (!over.aborted) {
      const unblocked = clientId.then((id) => this.#commands.run((redis) => redis.client("UNBLOCK", id)));
      await Promise.race([unblocked.catch(() => undefined), abortOf(over)]);
      await delay(5, over);
    }
    if (!answered.aborted) connection.cut();
  }
}

/** Repeats a command that waits a little until it brings something, `waitMs` have passed or `signal` aborts. */
export async function untilSome(
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

/** Resolves when one of the signals has aborted, and leaves no listener behind. */
async function abortOf(...signals: readonly AbortSignal[]): Promise<void> {
  if (signals.some((signal) => signal.aborted)) return;
  const aborted = Promise.withResolvers<void>();
  const resolve = (): void => aborted.resolve();
  for (const signal of signals) signal.addEventListener("abort", resolve);
  await aborted.promise;
  for (const signal of signals) signal.removeEventListener("abort", resolve);
}
