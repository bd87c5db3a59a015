/*
 * The broker as one process reaches it, with everything that the port allows:
 * requests that fail and were carried out or not, publications that are lost,
 * doubled or late, and answers that find nobody.
 */
import {
  type Broker,
  BrokerUnavailable,
  type Entry,
  type EntryId,
  type NumberedAppend,
  type NumberedOutcome,
  type Publication,
} from "../../../lib/broker/broker.ts";
import type { MemoryBroker } from "../../../lib/broker/memory-broker.ts";
import { type Chances, latency } from "../scenario/chances.ts";
import type { SimulatedProcess } from "../world/simulated-process.ts";
import type { World } from "../world/world.ts";
import type { BrokerServer } from "./broker-server.ts";

/** Who is told of what a process gives to the broker or deletes there, when it asks for it. */
export interface BrokerWatcher {
  published(publications: readonly Publication[], by: SimulatedProcess): void;
  removing(stream: string, entries: readonly Entry[], by: SimulatedProcess): void;
}

/** How long a request may take that finds no broker. */
const refusedMs = { low: 1, high: 1_000 };

/** How late a publication may be that is delayed. */
const delayedMs = { low: 1, high: 3_000 };

const neverAborted = new AbortController().signal;

type Wanted = Parameters<Broker["take"]>[0];
type Reading = Parameters<Broker["read"]>[0];

export class SimulatedBroker implements Broker {
  readonly kind = "memory";
  readonly #server: BrokerServer;
  readonly #process: SimulatedProcess;
  readonly #world: World;
  readonly #chances: Chances;
  readonly #watcher: BrokerWatcher;

  constructor({
    server,
    process,
    world,
    chances,
    watcher,
  }: {
    readonly server: BrokerServer;
    readonly process: SimulatedProcess;
    readonly world: World;
    readonly chances: Chances;
    readonly watcher: BrokerWatcher;
  }) {
    this.#server = server;
    this.#process = process;
    this.#world = world;
    this.#chances = chances;
    this.#watcher = watcher;
  }

  async publish(publications: readonly Publication[]): Promise<EntryId[]> {
    this.#watcher.published(publications, this.#process);
    return await this.#request(async () => {
      const ids: EntryId[] = [];
      for (const publication of publications) ids.push(await this.#publishOne(publication));
      return ids;
    });
  }

  async take(from: Wanted, signal: AbortSignal): Promise<Entry[]> {
    const now = { ...from, waitMs: 0 };
    const look = async (broker: MemoryBroker) => await broker.take(now, neverAborted);
    return await this.#wait({ look, isTaking: true, waitMs: from.waitMs }, signal);
  }

  async read(from: Reading, signal: AbortSignal): Promise<Entry[]> {
    const now = { ...from, after: new Map(from.after), waitMs: 0 };
    const look = async (broker: MemoryBroker) => await broker.read(now, neverAborted);
    return await this.#wait({ look, isTaking: false, waitMs: from.waitMs }, signal);
  }

  async range(
    stream: string,
    options: { readonly after: EntryId; readonly count: number },
  ): Promise<Entry[]> {
    return await this.#look(async (broker) => await broker.range(stream, options));
  }

  async remove(stream: string, ids: readonly EntryId[]): Promise<void> {
    if (ids.length > 0) {
      const wanted = new Set(ids);
      const all = { after: "0-0", count: Number.MAX_SAFE_INTEGER } as const;
      const entries = await this.#server.read(async (broker) => await broker.range(stream, all));
      const removed = entries.filter(({ id }) => wanted.has(id));
      this.#watcher.removing(stream, removed, this.#process);
    }
    await this.#change(async (broker) => await broker.remove(stream, ids));
  }

  async trim(stream: string, below: EntryId): Promise<void> {
    await this.#change(async (broker) => await broker.trim(stream, below));
  }

  async drop(streams: readonly string[]): Promise<void> {
    await this.#change(async (broker) => await broker.drop(streams));
  }

  async has(stream: string, ids: readonly EntryId[]): Promise<ReadonlySet<EntryId>> {
    return await this.#look(async (broker) => await broker.has(stream, ids));
  }

  async lastId(stream: string): Promise<EntryId> {
    return await this.#look(async (broker) => await broker.lastId(stream));
  }

  async appendNumbered(append: NumberedAppend): Promise<NumberedOutcome> {
    return await this.#change(async (broker) => await broker.appendNumbered(append));
  }

  async replaceNumbered(append: NumberedAppend): Promise<NumberedOutcome> {
    return await this.#change(async (broker) => await broker.replaceNumbered(append));
  }

  async raise(counter: string): Promise<number> {
    return await this.#change(async (broker) => await broker.raise(counter));
  }

  async *streams(prefix: string): AsyncGenerator<string> {
    yield* await this.#look(async (broker) => {
      const names: string[] = [];
      for await (const name of broker.streams(prefix)) names.push(name);
      return names;
    });
  }

  async ping(): Promise<void> {
    await this.#look(async () => undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  async #look<Result>(look: (broker: MemoryBroker) => Promise<Result>): Promise<Result> {
    return await this.#request(async () => await this.#server.read(look));
  }

  async #change<Result>(make: (broker: MemoryBroker) => Promise<Result>): Promise<Result> {
    return await this.#request(async () => await this.#server.change(make));
  }

  /** Sends a request, has it carried out, and brings its answer. */
  async #request<Result>(carryOut: () => Promise<Result>): Promise<Result> {
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    const world = this.#world;
    const server = this.#server;
    const fail = (ms: number) => world.after(ms, () => reject(unavailable()), this.#process);
    const isRefused = world.random.chance(this.#chances.brokerRefused);
    const isDoneAllTheSame = isRefused && world.random.chance(0.5);
    if (this.#isAway) {
      fail(world.random.between(refusedMs.low, refusedMs.high));
      return await promise;
    }
    const { connection } = server;
    world.after(this.#travelMs(), () => {
      if (this.#isAway || server.connection !== connection || (isRefused && !isDoneAllTheSame)) {
        fail(this.#travelMs());
        return;
      }
      carryOut().then(
        (result) => {
          if (isRefused || this.#isAway) fail(this.#travelMs());
          else world.after(this.#travelMs(), () => resolve(result), this.#process);
        },
        (error: unknown) => world.after(0, () => reject(error), this.#process),
      );
    });
    return await promise;
  }

  /** As `#request`, for entries that may have to be waited for. */
  async #wait(
    {
      look,
      isTaking,
      waitMs,
    }: {
      readonly look: (broker: MemoryBroker) => Promise<Entry[]>;
      readonly isTaking: boolean;
      readonly waitMs: number;
    },
    signal: AbortSignal,
  ): Promise<Entry[]> {
    if (signal.aborted) return [];
    const { promise, resolve, reject } = Promise.withResolvers<Entry[]>();
    const world = this.#world;
    const server = this.#server;
    const process = this.#process;
    const fail = (ms: number) => world.after(ms, () => reject(unavailable()), process);
    const isRefused = world.random.chance(this.#chances.brokerRefused);
    if (this.#isAway || isRefused) {
      fail(world.random.between(refusedMs.low, refusedMs.high));
      return await promise;
    }
    const { connection } = server;
    let stop: (() => void) | undefined;
    let isAborted = false;
    const abort = (): void => {
      isAborted = true;
      world.after(this.#travelMs(), () => stop?.());
      resolve([]);
    };
    signal.addEventListener("abort", abort, { once: true });
    world.after(this.#travelMs(), () => {
      if (isAborted) return;
      if (this.#isAway || server.connection !== connection) {
        fail(this.#travelMs());
        return;
      }
      const over = world.after(waitMs, () => stop?.());
      stop = server.wait({
        look,
        isTaking,
        isGone: () => process.isDead || process.isCutOff,
        answer: (entries) => {
          over.isCancelled = true;
          world.after(this.#travelMs(), () => resolve(entries), process);
        },
        lose: () => {
          over.isCancelled = true;
          fail(this.#travelMs());
        },
      });
    });
    return await promise.finally(() => signal.removeEventListener("abort", abort));
  }

  async #publishOne({ stream, body }: Publication): Promise<EntryId> {
    const { random } = this.#world;
    const publish = async () =>
      (await this.#server.change(async (broker) => await broker.publish([{ stream, body }])))[0] ?? "0-0";
    const tell = (mishap: string) =>
      this.#world.tell(() => `broker       publication to ${stream} ${mishap}`);
    if (random.chance(this.#chances.publicationLost)) {
      tell("lost");
      return await this.#server.unusedId(stream);
    }
    if (random.chance(this.#chances.publicationDelayed)) {
      tell("delayed");
      this.#world.after(random.between(delayedMs.low, delayedMs.high), () => {
        publish().catch((error: unknown) => this.#world.stop(error as Error));
      });
      return await this.#server.unusedId(stream);
    }
    const id = await publish();
    if (!random.chance(this.#chances.publicationDoubled)) return id;
    tell("doubled");
    const laterMs = random.chance(0.5) ? 0 : random.between(delayedMs.low, delayedMs.high);
    this.#world.after(laterMs, () => {
      publish().catch((error: unknown) => this.#world.stop(error as Error));
    });
    return id;
  }

  get #isAway(): boolean {
    return this.#server.isDown || this.#process.isCutOff;
  }

  #travelMs(): number {
    return latency(this.#world.random, this.#chances, { low: 0.02, high: 0.5 });
  }
}

function unavailable(): BrokerUnavailable {
  return new BrokerUnavailable("the broker does not answer");
}
