/*
 * The broker in the memory of one process, for an embedded server that finds no
 * Redis.
 *
 *   M1. Every method does its work in one synchronous step; only waiting for
 *       entries is asynchronous.
 *   M2. Who waits is woken by every append to one of its streams and looks
 *       again, in the order in which waits began.
 *   M3. What is taken, removed, trimmed or dropped is freed.
 */
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
import { idOf, MemoryStream, type Position } from "./memory-stream.ts";

const start: Position = [0, 0];

/** Timers take no more than about 24 days; a longer wait is one of several. */
const maxTimerMs = 60_000;

export class MemoryBroker implements Broker {
  readonly kind = "memory";
  readonly #streams = new Map<string, MemoryStream>();
  readonly #counters = new Map<string, number>();
  /** Those who wait for an append, by stream. */
  readonly #waiting = new Map<string, Set<() => void>>();
  readonly #closing = new AbortController();

  async publish(publications: readonly Publication[]): Promise<EntryId[]> {
    this.#refuseWhenClosed();
    const nowMs = Date.now();
    const ids = publications.map(({ stream: name, body, keepLatest = Infinity }) => {
      const stream = this.#stream(name);
      const id = stream.append(body, nowMs);
      stream.keepLatest(keepLatest);
      return id;
    });
    for (const stream of new Set(publications.map(({ stream }) => stream))) this.#wake(stream);
    return ids;
  }

  async take(
    {
      streams,
      group,
      count,
      waitMs,
    }: {
      readonly streams: readonly string[];
      readonly group: string;
      readonly consumer: string;
      readonly count: number;
      readonly waitMs: number;
    },
    signal: AbortSignal,
  ): Promise<Entry[]> {
    return await this.#whenSome(streams, waitMs, signal, () => {
      const taken: Entry[] = [];
      for (const name of streams) {
        const stream = this.#stream(name);
        const takenUpTo = stream.groups.get(group) ?? start;
        const entries = stream.after(takenUpTo, count - taken.length);
        const last = entries.at(-1);
        stream.groups.set(group, last === undefined ? takenUpTo : partsOf(last.id));
        for (const { id } of entries) stream.remove(id);
        taken.push(...entries);
      }
      return taken;
    });
  }

  async read(
    {
      after,
      count,
      waitMs,
    }: { readonly after: ReadonlyMap<string, EntryId>; readonly count: number; readonly waitMs: number },
    signal: AbortSignal,
  ): Promise<Entry[]> {
    return await this.#whenSome([...after.keys()], waitMs, signal, () =>
      [...after].flatMap(([stream, id]) => this.#streams.get(stream)?.after(partsOf(id), count) ?? []),
    );
  }

  async range(
    stream: string,
    { after, count }: { readonly after: EntryId; readonly count: number },
  ): Promise<Entry[]> {
    this.#refuseWhenClosed();
    return this.#streams.get(stream)?.after(partsOf(after), count) ?? [];
  }

  async remove(stream: string, ids: readonly EntryId[]): Promise<void> {
    this.#refuseWhenClosed();
    for (const id of ids) this.#streams.get(stream)?.remove(id);
  }

  async trim(stream: string, below: EntryId): Promise<void> {
    this.#refuseWhenClosed();
    this.#streams.get(stream)?.trim(partsOf(below));
  }

  async drop(streams: readonly string[]): Promise<void> {
    this.#refuseWhenClosed();
    for (const stream of streams) this.#streams.delete(stream);
  }

  async has(stream: string, ids: readonly EntryId[]): Promise<ReadonlySet<EntryId>> {
    this.#refuseWhenClosed();
    const held = this.#streams.get(stream);
    return new Set(ids.filter((id) => held?.has(id)));
  }

  async lastId(stream: string): Promise<EntryId> {
    this.#refuseWhenClosed();
    return idOf(this.#streams.get(stream)?.last ?? start);
  }

  async appendNumbered(append: NumberedAppend): Promise<NumberedOutcome> {
    this.#refuseWhenClosed();
    const { stream, series, after } = append;
    const [lastSeries, lastNumber] = this.#streams.get(stream)?.last ?? start;
    if (lastSeries > series) return { kind: "superseded" };
    const follows = lastSeries === series ? lastNumber === after : after === 0;
    return follows ? this.#writeNumbered(append) : { kind: "gap" };
  }

  async replaceNumbered(append: NumberedAppend): Promise<NumberedOutcome> {
    this.#refuseWhenClosed();
    const { stream, series, after } = append;
    const [lastSeries] = this.#streams.get(stream)?.last ?? start;
    if (lastSeries > series) return { kind: "superseded" };
    this.#stream(stream).rewind({ above: [series - 1, Infinity], last: [series, after] });
    return this.#writeNumbered(append);
  }

  async raise(counter: string): Promise<number> {
    this.#refuseWhenClosed();
    const value = (this.#counters.get(counter) ?? 0) + 1;
    this.#counters.set(counter, value);
    return value;
  }

  async *streams(prefix: string): AsyncGenerator<string> {
    this.#refuseWhenClosed();
    yield* [...this.#streams.keys()].filter((name) => name.startsWith(prefix));
  }

  async ping(): Promise<void> {
    this.#refuseWhenClosed();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    this.#streams.clear();
  }

  #refuseWhenClosed(): void {
    if (this.#closing.signal.aborted) throw new BrokerUnavailable("the broker has been closed");
  }

  #stream(name: string): MemoryStream {
    const known = this.#streams.get(name);
    if (known !== undefined) return known;
    const stream = new MemoryStream(name);
    this.#streams.set(name, stream);
    return stream;
  }

  #writeNumbered({ stream: name, series, after, bodies }: NumberedAppend): NumberedOutcome {
    if (bodies.length > 0) {
      const stream = this.#stream(name);
      for (const [index, body] of bodies.entries()) stream.appendAt([series, after + 1 + index], body);
      this.#wake(name);
    }
    const [first] = this.#streams.get(name)?.after([series - 1, Infinity], 1) ?? [];
    return { kind: "appended", firstLeft: first && partsOf(first.id)[1] };
  }

  /** Looks until there is something, `waitMs` have passed or `signal` aborts. */
  async #whenSome(
    streams: readonly string[],
    waitMs: number,
    signal: AbortSignal,
    look: () => Entry[],
  ): Promise<Entry[]> {
    const until = performance.now() + waitMs;
    for (;;) {
      if (signal.aborted) return [];
      this.#refuseWhenClosed();
      const entries = look();
      const leftMs = until - performance.now();
      if (entries.length > 0 || leftMs <= 0) return entries;
      await this.#appended(streams, Math.min(leftMs, maxTimerMs), signal);
    }
  }

  /** Waits for an append to one of the streams, at most `waitMs`; ends early when `signal` aborts or the broker closes. */
  async #appended(streams: readonly string[], waitMs: number, signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    const end = (): void => over.abort();
    signal.addEventListener("abort", end);
    this.#closing.signal.addEventListener("abort", end);
    for (const stream of streams) {
      const waiting = this.#waiting.get(stream) ?? new Set();
      this.#waiting.set(stream, waiting.add(end));
    }
    await delay(waitMs, over.signal);
    for (const stream of streams) {
      const waiting = this.#waiting.get(stream);
      waiting?.delete(end);
      if (waiting?.size === 0) this.#waiting.delete(stream);
    }
    signal.removeEventListener("abort", end);
    this.#closing.signal.removeEventListener("abort", end);
  }

  #wake(stream: string): void {
    for (const end of this.#waiting.get(stream) ?? []) end();
  }
}
