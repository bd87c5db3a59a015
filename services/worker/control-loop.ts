/*
 * Reads the orders for this worker.
 *
 *   C1. Reading begins at the end that the stream had when the worker began:
 *       what stands before it is for a former process.
 *   C2. An order is deleted after it was applied, with all before it: also what an
 *       older copy of the broker brought back. It is applied again when that failed.
 *       What is lost in between is repeated by the answer to the next heartbeat.
 *   C3. A stream whose last id went back belongs to a broker that lost its
 *       contents: reading goes on from its beginning.
 */
import { Backoff } from "../../lib/async/backoff.ts";
import {
  type Broker,
  BrokerUnavailable,
  compareIds,
  type EntryId,
  partsOf,
} from "../../lib/broker/broker.ts";
import type { Logger } from "../../lib/log/log.ts";
import { controlStreamOf, decodeControls } from "../../lib/streams/control-stream.ts";
import type { ControlGate } from "./control-gate.ts";

/** How long one read waits; also how soon a stream that went back is noticed. */
const waitMs = 5_000;

const maxRead = 500;

export interface ControlLoop {
  readonly broker: Pick<Broker, "read" | "trim" | "lastId">;
  readonly workerId: string;
  readonly gate: Pick<ControlGate, "apply">;
  readonly log: Logger;
}

/** Ends when `signal` aborts. Rejects on a defect. */
export async function controlLoop(
  { broker, workerId, gate, log }: ControlLoop,
  startAfter: EntryId,
  signal: AbortSignal,
): Promise<void> {
  const stream = controlStreamOf(workerId);
  const backoff = new Backoff({ firstMs: 50, maxMs: 2_000 });
  let after = startAfter;
  while (!signal.aborted) {
    try {
      const entries = await broker.read(
        { after: new Map([[stream, after]]), count: maxRead, waitMs },
        signal,
      );
      for (const entry of entries) {
        try {
          for (const control of decodeControls(entry.body).controls) gate.apply(control);
        } catch (error) {
          log.error({ err: error, stream, id: entry.id }, "orders not understood");
        }
      }
      const last = entries.at(-1);
      if (last === undefined) {
        if (compareIds(await broker.lastId(stream), after) < 0) after = "0-0";
      } else {
        await broker.trim(stream, next(last.id));
        after = last.id;
      }
      backoff.reset();
    } catch (error) {
      if (!(error instanceof BrokerUnavailable)) throw error;
      if (backoff.failures > 0) log.warn({ err: error }, "no orders can be read");
      await backoff.wait(signal);
    }
  }
}

/** The lowest id that is above one. */
function next(id: EntryId): EntryId {
  const [major, minor] = partsOf(id);
  return `${major}-${minor + 1}`;
}
