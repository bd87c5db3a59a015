/*
 * Hears which tasks have news.
 *
 *   W1. Begins at the end of the wake streams: what was said before is found by
 *       the scan and by whoever attaches.
 *   W2. Every process reads them all; nothing is taken from the others. They are
 *       trimmed by age alone, up to what was the end some time ago, so that no
 *       clock is compared with another.
 *   W3. A stream whose end is before the place read up to was lost, or is an older
 *       copy: it is read from that end on.
 */
import { Backoff } from "../../lib/async/backoff.ts";
import { type Broker, compareIds, type EntryId } from "../../lib/broker/broker.ts";
import type { Logger } from "../../lib/log/log.ts";
import { allWakeStreams, decodeWake } from "../../lib/streams/wake-stream.ts";

/** How long wakes are kept. */
const keepMs = 60_000;

const wakesPerRead = 1_000;

const waitMs = 5_000;

interface WakeLoopNeeds {
  readonly broker: Pick<Broker, "read" | "lastId" | "trim">;
  /** Told of each task with news, once per read. */
  readonly onWake: (taskId: string) => void;
  /** Told when wakes are heard from here on, and others may have been missed (W1, W3). */
  readonly onPlaced: () => void;
  readonly log: Logger;
}

/** Runs until `signal` aborts. Outages are waited out. */
export async function wakeLoop(
  { broker, onWake, onPlaced, log }: WakeLoopNeeds,
  signal: AbortSignal,
): Promise<void> {
  const backoff = new Backoff({ firstMs: 50, maxMs: 1_000 });
  const after = new Map<string, EntryId>();
  let kept = new Map<string, EntryId>();
  let tendedAtMs = -Infinity;
  while (!signal.aborted) {
    try {
      if (performance.now() - tendedAtMs >= keepMs) {
        const before = new Map(after);
        kept = await tend(broker, { after, kept });
        if ([...after].some(([stream, place]) => before.get(stream) !== place)) onPlaced();
        tendedAtMs = performance.now();
      }
      const wakes = await broker.read({ after, count: wakesPerRead, waitMs }, signal);
      for (const { stream, id } of wakes) after.set(stream, id);
      for (const taskId of new Set(wakes.map(({ body }) => decodeWake(body)))) onWake(taskId);
      backoff.reset();
    } catch (err) {
      if (backoff.failures > 0) log.warn({ err }, "wakes can not be read");
      await backoff.wait(signal);
    }
  }
}

/** Trims up to the ends that were `kept` (W2), sets places that are not there any more right (W1, W3), and answers the ends as they are. */
async function tend(
  broker: WakeLoopNeeds["broker"],
  { after, kept }: { readonly after: Map<string, EntryId>; readonly kept: ReadonlyMap<string, EntryId> },
): Promise<Map<string, EntryId>> {
  const ends = new Map<string, EntryId>();
  for (const stream of allWakeStreams()) {
    const end = await broker.lastId(stream);
    const place = after.get(stream);
    if (place === undefined || compareIds(end, place) < 0) after.set(stream, end);
    const trimBelow = kept.get(stream);
    if (trimBelow !== undefined) await broker.trim(stream, trimBelow);
    ends.set(stream, end);
  }
  return ends;
}
