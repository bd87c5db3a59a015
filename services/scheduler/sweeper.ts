/*
 * Looks after what no message will ever report: lost leases, lost work, a broker
 * that lost its contents.
 *
 *   S1. The listening clock advances here, once a turn, so a stalled process
 *       counts a turn and a half at most.
 *   S2. A lease lapses when its worker was silent for the whole lease time and
 *       every report that waited at the end of it has been applied.
 *   S3. Work that left its stream and was never heard of for a lease time is
 *       published again.
 *   S4. A counter in the broker that went back, or began anew, shows a loss. Then
 *       reports are read from the start, and work is published again after one
 *       round of heartbeats; so it is after a take-over.
 */
import { delay } from "../../lib/async/delay.ts";
import { type Broker, BrokerUnavailable } from "../../lib/broker/broker.ts";
import { DomainError } from "../../lib/errors/domain-error.ts";
import type { Logger } from "../../lib/log/log.ts";
import { decideLapse } from "./core/decide-report.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { LeaseWatch, ListeningClock, Watched } from "./lease-watch.ts";
import type { Owner } from "./owner.ts";
import type { ReportReader } from "./report-reader.ts";

/** Between two turns. */
export const sweepIntervalMs = 1_000;

/** How many entries of a stream may be out at least, so that the first worker finds work. */
const minWindow = 128;

export interface SweeperOptions {
  readonly incarnation: string;
  readonly leaseMs: number;
  /** One round of heartbeats: the interval, and what an answer may take. */
  readonly roundMs: number;
  readonly broker: Pick<Broker, "raise">;
  readonly owner: Pick<Owner, "execute">;
  readonly clock: ListeningClock;
  readonly leases: LeaseWatch;
  readonly dispatcher: Dispatcher;
  readonly reports: Pick<ReportReader, "drainedAt" | "rewind">;
  /** The workers that are alive, with their slots. */
  readonly aliveWorkers: () => Promise<ReadonlyMap<string, number>>;
  /** Called when the broker lost its contents. */
  readonly onBrokerLoss: () => void;
  readonly log: Logger;
}

/** Sweeps once per interval; also told of take-overs. */
export class Sweeper {
  readonly #options: SweeperOptions;
  #pulse = 0;
  /** A round of heartbeats under way: what nobody names in it is published again at its end. */
  #round: { readonly from: number; readonly endsAt: number; readonly awaited: Set<string> } | undefined;

  constructor(options: SweeperOptions) {
    this.#options = options;
  }

  /** Publishes again, after one round of heartbeats, what nobody named in it. The round ends early when every worker that is alive was heard. */
  async republishAfterRound(): Promise<void> {
    const { clock, roundMs, aliveWorkers } = this.#options;
    const from = clock.now;
    const awaited = new Set((await aliveWorkers()).keys());
    this.#round = { from, endsAt: from + roundMs, awaited };
    this.#endRound();
  }

  /** Notes that a worker has named everything it holds. */
  heard(workerId: string): void {
    this.#round?.awaited.delete(workerId);
    this.#endRound();
  }

  #endRound(): void {
    const { clock, dispatcher } = this.#options;
    if (this.#round === undefined) return;
    if (clock.now < this.#round.endsAt && this.#round.awaited.size > 0) return;
    const { from } = this.#round;
    this.#round = undefined;
    dispatcher.republish(from);
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await delay(sweepIntervalMs, signal);
      this.#options.clock.tick();
      try {
        await this.#turn();
      } catch (error) {
        const level = error instanceof BrokerUnavailable ? "debug" : "warn";
        this.#options.log[level]({ err: error }, "sweep not finished");
      }
    }
  }

  async #turn(): Promise<void> {
    const { leases, leaseMs, roundMs, dispatcher, reports, log } = this.#options;
    await this.lapse(leases.silent(leaseMs, reports.drainedAt));
    // Room for what is being carried out unreported, and for as much to come.
    const slots = [...(await this.#options.aliveWorkers()).values()].reduce((sum, own) => sum + own, 0);
    dispatcher.window = Math.max(minWindow, 2 * slots);
    const pulse = await this.#options.broker.raise(`antiphon:pulse:${this.#options.incarnation}`);
    if (pulse <= this.#pulse) {
      log.warn({ before: this.#pulse, pulse }, "broker lost its contents");
      reports.rewind();
      this.#options.onBrokerLoss();
      await this.republishAfterRound();
    }
    this.#pulse = pulse;
    this.#endRound();
    await dispatcher.sweep({ leaseMs, roundMs });
  }

  /** Ends leases. Never rejects: another owner, or another turn, does it if this one can not. */
  async lapse(watched: readonly Watched[]): Promise<void> {
    await Promise.all(watched.map(async (each) => await this.#lapse(each)));
  }

  async #lapse({ run, task, token, workerId }: Watched): Promise<void> {
    const { owner, log } = this.#options;
    const nodeId = task.name;
    const { attempt } = task;
    try {
      const facts = await owner.execute(run.runId, (current) => {
        const lapsed = current === undefined ? [] : decideLapse(current, { nodeId, attempt, token });
        return { facts: lapsed, result: lapsed.length };
      });
      if (facts > 0) log.warn({ runId: run.runId, nodeId, attempt, workerId }, "lease lapsed");
    } catch (error) {
      if (error instanceof DomainError) return;
      log.error({ err: error, runId: run.runId, nodeId, attempt, workerId }, "lease not ended");
    }
  }
}
