import { describe, expect, test } from "vitest";
import { BrokerUnavailable, type Entry, type EntryId, type Publication } from "../../lib/broker/broker.ts";
import { MemoryBroker } from "../../lib/broker/memory-broker.ts";
import { logger } from "../../lib/log/log.ts";
import { decodeAssignment, workStreamOf } from "../../lib/streams/work-stream.ts";
import { aNode, aRun, bringOn, cancel, lapsed, leased, taskOfNode } from "../../test/support/a-run.ts";
import { Dispatcher } from "./dispatcher.ts";

const stream = workStreamOf("noop");

const leaseMs = 1_000;
const roundMs = 100;

/** A broker that can be away for a while. */
class AbsentBroker extends MemoryBroker {
  isAway = false;

  override async publish(publications: readonly Publication[]): Promise<EntryId[]> {
    if (this.isAway) throw new BrokerUnavailable("away");
    return await super.publish(publications);
  }
}

/** What a dispatcher has begun to publish is published. */
async function flushed(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) await new Promise(setImmediate);
}

function aWorld() {
  const broker = new AbsentBroker();
  const clock = { now: 0 };
  const dispatcher = new Dispatcher({ broker, clock, log: logger("test", "silent"), stream });
  const run = aRun([aNode("A")]);
  const task = taskOfNode(run, "A");
  return {
    broker,
    dispatcher,
    run,
    task,
    inStream: async (): Promise<Entry[]> => await broker.range(stream, { after: "0-0", count: 10 }),
    take: async (): Promise<Entry[]> =>
      await broker.take(
        { streams: [stream], group: "workers", consumer: "w", count: 10, waitMs: 0 },
        new AbortController().signal,
      ),
    /** Sweeps at a time, and waits for what that publishes. */
    sweepAt: async (now: number): Promise<void> => {
      clock.now = now;
      await dispatcher.sweep({ leaseMs, roundMs });
      await flushed();
    },
    begin: async (): Promise<void> => {
      dispatcher.add(run, task, {});
      await flushed();
    },
  };
}

describe("Dispatcher", () => {
  test("leaves an entry alone that waits in its stream, however long", async () => {
    const { begin, sweepAt, inStream } = aWorld();
    await begin();
    const before = await inStream();
    for (let now = leaseMs; now < 5 * leaseMs; now += leaseMs) await sweepAt(now);
    expect(before).toHaveLength(1);
    expect(await inStream()).toEqual(before);
  });

  // Pins retries without a delay, and attempts that were given back, which waited for a lease time.
  test("publishes the next attempt at once when the one before began and ended in one commit", async () => {
    const { begin, dispatcher, run, task, inStream } = aWorld();
    await begin();
    bringOn(run, leased("A"), lapsed("A"));
    dispatcher.add(run, task, {});
    await flushed();
    const attempts = (await inStream()).map(({ body }) => decodeAssignment(body).attempt);
    expect(attempts).toEqual([1, 2]);
  });

  test("takes an entry out of its stream that nobody took before its task ended", async () => {
    const { begin, dispatcher, run, task, inStream } = aWorld();
    await begin();
    bringOn(run, cancel);
    dispatcher.settle(task);
    await flushed();
    expect(await inStream()).toEqual([]);
  });

  // A fail-over to a copy that lacks the entry and still has the pulse.
  test("publishes an entry again that its stream lost without a sign", async () => {
    const { broker, begin, sweepAt, inStream } = aWorld();
    await begin();
    const [lost] = await inStream();
    await broker.remove(stream, [lost?.id ?? "0-0"]);
    await sweepAt(leaseMs - 1);
    expect(await inStream()).toEqual([]);
    await sweepAt(leaseMs);
    expect((await inStream()).map(({ body }) => body)).toEqual([lost?.body]);
  });

  test("waits a lease from when an entry was last in its stream, not from when it was published", async () => {
    const { begin, sweepAt, inStream, take } = aWorld();
    await begin();
    await sweepAt(5 * leaseMs);
    expect(await take()).toHaveLength(1);
    await sweepAt(6 * leaseMs - 1);
    expect(await inStream()).toEqual([]);
    await sweepAt(6 * leaseMs);
    expect(await inStream()).toHaveLength(1);
  });

  test("waits a lease from when a worker last named what it took", async () => {
    const { begin, dispatcher, task, sweepAt, inStream, take } = aWorld();
    await begin();
    await take();
    await sweepAt(leaseMs - 1);
    dispatcher.heard(task);
    await sweepAt(2 * leaseMs - 2);
    expect(await inStream()).toEqual([]);
    await sweepAt(2 * leaseMs - 1);
    expect(await inStream()).toHaveLength(1);
  });

  test("publishes again, after a round of heartbeats, what the broker may not have got", async () => {
    const { broker, begin, sweepAt, inStream } = aWorld();
    broker.isAway = true;
    await begin();
    broker.isAway = false;
    await sweepAt(roundMs - 1);
    expect(await inStream()).toEqual([]);
    await sweepAt(roundMs);
    expect(await inStream()).toHaveLength(1);
  });

  test("leaves a task alone that was leased while the broker was asked", async () => {
    const { broker, begin, dispatcher, run, task, sweepAt, inStream, take } = aWorld();
    await begin();
    await take();
    const ask = broker.has.bind(broker);
    broker.has = async (...asked) => {
      bringOn(run, leased("A"));
      dispatcher.settle(task);
      return await ask(...asked);
    };
    await sweepAt(leaseMs);
    expect(await inStream()).toEqual([]);
  });
});
