/*
 * Brings reports to the owners of runs.
 *
 *   O1. Reports are published in the order in which they were made; what is made
 *       while one publish is in flight goes into the next.
 *   O2. A publish that failed is repeated: a report that arrives twice is known
 *       by its number.
 *   O3. Published is not confirmed: every attempt keeps its reports, and those
 *       that were not confirmed in time are published again, all of an attempt in
 *       their order.
 */
import { Backoff } from "../../lib/async/backoff.ts";
import { Bell } from "../../lib/async/bell.ts";
import { delay } from "../../lib/async/delay.ts";
import { type Broker, BrokerUnavailable, type Publication } from "../../lib/broker/broker.ts";
import type { Logger } from "../../lib/log/log.ts";
import type { Attempt } from "./attempt.ts";

/** So that one publish is answered within a moment. */
const maxBatch = 1_000;

export class ReportOutbox {
  readonly #broker: Pick<Broker, "publish">;
  readonly #log: Logger;
  readonly #news = new Bell();
  #waiting: Publication[] = [];

  constructor({ broker, log }: { readonly broker: Pick<Broker, "publish">; readonly log: Logger }) {
    this.#broker = broker;
    this.#log = log;
  }

  add(report: Publication): void {
    this.#waiting.push(report);
    this.#news.ring();
  }

  /** Publishes until `signal` aborts, and what is left then once more. */
  async publishLoop(signal: AbortSignal): Promise<void> {
    const backoff = new Backoff({ firstMs: 50, maxMs: 2_000 });
    while (!signal.aborted) {
      if (this.#waiting.length === 0) {
        await this.#news.heard(signal);
        continue;
      }
      const batch = this.#waiting.slice(0, maxBatch);
      try {
        await this.#broker.publish(batch);
        this.#waiting.splice(0, batch.length);
        backoff.reset();
      } catch (error) {
        if (!(error instanceof BrokerUnavailable)) throw error;
        if (backoff.failures > 0) this.#log.warn({ err: error }, "no report can be sent");
        await backoff.wait(signal);
      }
    }
    if (this.#waiting.length === 0) return;
    // What is lost here is only missed: leases lapse, and work is handed out again.
    await this.#broker.publish(this.#waiting).catch((error: unknown) => {
      this.#log.warn({ err: error, count: this.#waiting.length }, "last reports not sent");
    });
  }

  /** Repeats what was not confirmed, until `signal` aborts. */
  async repeatLoop(
    { attempts, afterMs }: { readonly attempts: Iterable<Attempt>; readonly afterMs: number },
    signal: AbortSignal,
  ): Promise<void> {
    while (!signal.aborted) {
      await delay(afterMs / 2, signal);
      // What could not be sent a first time yet need not be sent a second time.
      if (this.#waiting.length > 0) continue;
      const nowMs = performance.now();
      for (const attempt of attempts) attempt.repeatReports(nowMs, afterMs);
    }
  }
}
