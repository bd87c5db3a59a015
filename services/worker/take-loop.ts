/*
 * Takes work as slots are free.
 *
 *   K1. Nothing is taken without a free slot and a free place for it, so what
 *       waits, waits in its stream, where any worker can take it.
 *   K2. Programs and calls have slots and streams of their own, so a lack of their
 *       slots does not hold up short work. One that comes by another stream while
 *       no slot is free for it is passed on to its own.
 *   K3. What is taken is gone from the stream. A worker that dies with it, before
 *       a report, loses nothing: its owner misses it and publishes it again.
 *   K4. Nothing is awaited for a single attempt.
 */
import { Backoff } from "../../lib/async/backoff.ts";
import { type Broker, BrokerUnavailable, type Entry, type Publication } from "../../lib/broker/broker.ts";
import type { Logger } from "../../lib/log/log.ts";
import { decodeAssignment } from "../../lib/streams/work-stream.ts";
import type { HeldAttempts } from "./held-attempts.ts";
import type { Slots } from "./slots.ts";

/** How long one take waits for work before it is asked for again. */
const waitMs = 5_000;

/** So that one batch is handled within a moment. */
const maxTake = 500;

export interface TakeLoop {
  readonly broker: Pick<Broker, "take" | "publish">;
  /** Those to take from, in order of preference. */
  readonly streams: readonly string[];
  readonly group: string;
  readonly workerId: string;
  /** Which slots the work of this stream uses. */
  readonly slots: Slots;
  readonly held: Pick<HeldAttempts, "take" | "places">;
  /** The stream of a handler's own that asks the same of workers as another, where its tasks go that find no free slot. */
  readonly streamOf: (handler: string, like: string) => string;
  readonly log: Logger;
}

/** Ends when `signal` aborts. Rejects on a defect. */
export async function takeLoop(loop: TakeLoop, signal: AbortSignal): Promise<void> {
  const { broker, streams, group, workerId: consumer, slots, held, log } = loop;
  const backoff = new Backoff({ firstMs: 50, maxMs: 2_000 });
  while (!signal.aborted) {
    await slots.untilFree(signal);
    await held.places.untilFree(signal);
    if (signal.aborted) return;
    const count = Math.min(slots.free, held.places.free, maxTake);
    // Another loop used what was free while this one waited for the other kind.
    if (count < 1) continue;
    try {
      const entries = await broker.take({ streams, group, consumer, count, waitMs }, signal);
      const refused = entries.flatMap((entry) => refusedOf(entry, loop));
      if (refused.length > 0) await broker.publish(refused);
      backoff.reset();
    } catch (error) {
      if (!(error instanceof BrokerUnavailable)) throw error;
      if (backoff.failures > 0) log.warn({ err: error, streams }, "no work can be taken");
      await backoff.wait(signal);
    }
  }
}

/** Takes one entry, or answers where it has to go when there is no slot for it. */
function refusedOf(entry: Entry, { held, streamOf, log }: TakeLoop): Publication[] {
  const { stream, id, body } = entry;
  try {
    const assignment = decodeAssignment(body);
    return held.take(assignment) === "no_slot"
      ? [{ stream: streamOf(assignment.handler, stream), body }]
      : [];
  } catch (error) {
    log.error({ err: error, stream, id }, "assignment not understood");
    return [];
  }
}
