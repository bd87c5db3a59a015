/*
 * Applies what workers report to the runs of the owned partitions.
 *
 *   A1. Reports of a partition are read from the start of its stream after each
 *       claim, when the broker is known to have lost its contents, and now and
 *       then: what could not be applied or deleted, and what an older copy of the
 *       broker brought back unnoticed, stands before the place read up to.
 *   A2. A report is deleted, and confirmed to its worker, after the commit that
 *       holds its effect; a crash repeats it, and the core knows a repeat.
 *   A3. What can not be decoded, or breaks the bounds of the contract, is moved
 *       aside with a log line; the latest of it is kept for whoever looks.
 *   A4. `drainedAt` is a time of the listening clock: every report that was in
 *       the broker by then is applied. Silence counts up to it, not beyond.
 */
import type { Report as ReportMessage } from "../../gen/antiphon/worker/v1/assignment_pb.ts";
import { Backoff } from "../../lib/async/backoff.ts";
import { delay } from "../../lib/async/delay.ts";
import { type Broker, BrokerUnavailable, type Entry, type EntryId } from "../../lib/broker/broker.ts";
import { DomainError } from "../../lib/errors/domain-error.ts";
import type { Logger } from "../../lib/log/log.ts";
import { isConnectionLost } from "../../lib/postgres/errors.ts";
import { decodeReport, reportStreamOf } from "../../lib/streams/report-stream.ts";
import { orderOf } from "./control.ts";
import { decideReport } from "./core/decide-report.ts";
import type { ListeningClock } from "./lease-watch.ts";
import type { Decision, Owner } from "./owner.ts";
import type { Claim } from "./partition-store.ts";
import type { PayloadStore } from "./payload-store.ts";
import { ReadSize } from "./read-size.ts";
import { maxReportBytes, reportFault } from "./report-fault.ts";
import { reportOf } from "./report-message.ts";
import { storedOutputOf, withStoredOutput } from "./stored-output.ts";

/** How many bytes of reports one read brings, about. */
const readBytes = 16 * 1024 * 1024;

/** How long a read waits: bounds how late a new claim is noticed. */
const waitMs = 250;

/** How often streams are read from the start, and how much later while reports are in flight, which would be read twice. */
const rereadMs = 1_000;
const rereadPatienceMs = 30_000;

/** How many read batches, and about how many bytes of them, may wait for their commits. */
const maxInFlight = 8;
const maxInFlightBytes = 4 * readBytes;

/** Where reports go that are none, how many are kept there, and how much of each. */
const asideStream = "antiphon:aside";
const keptAside = 256;
const keptAsideBytes = 64 * 1024;

export interface ReportReaderOptions {
  readonly broker: Pick<Broker, "read" | "remove" | "publish">;
  readonly owner: Pick<Owner, "claims" | "execute">;
  /** Outputs that are too large for a report. */
  readonly payloads: Pick<PayloadStore, "read" | "remove">;
  readonly clock: ListeningClock;
  readonly log: Logger;
}

/** Reads and applies reports. One object per owner. */
export class ReportReader {
  readonly #options: ReportReaderOptions;
  /** How far each partition has been read, under which epoch. */
  readonly #cursors = new Map<number, { readonly epoch: number; readonly id: EntryId }>();
  readonly #inFlight = new Set<Promise<void>>();
  readonly #readSize = new ReadSize(readBytes);
  #inFlightBytes = 0;
  #rereadAt = 0;
  #drainedAt = -1;

  constructor(options: ReportReaderOptions) {
    this.#options = options;
  }

  /** The listening clock's time up to which every report has been applied; negative before the first. */
  get drainedAt(): number {
    return this.#drainedAt;
  }

  /** Reads everything anew: the broker lost its contents. */
  rewind(): void {
    this.#cursors.clear();
  }

  async run(signal: AbortSignal): Promise<void> {
    const backoff = new Backoff({ firstMs: 100, maxMs: 2_000 });
    while (!signal.aborted) {
      try {
        await this.#turn(signal);
        backoff.reset();
      } catch (error) {
        const level = error instanceof BrokerUnavailable && backoff.failures === 0 ? "debug" : "warn";
        this.#options.log[level]({ err: error }, "reports not read");
        await backoff.wait(signal);
      }
    }
    await Promise.all(this.#inFlight);
  }

  async #turn(signal: AbortSignal): Promise<void> {
    const { owner, broker, clock } = this.#options;
    const claims = [...owner.claims.values()];
    if (claims.length === 0) {
      await delay(20, signal);
      return;
    }
    const askedAt = clock.now;
    this.#reread();
    const after = new Map(claims.map((claim) => [reportStreamOf(claim.partition), this.#cursorOf(claim)]));
    const { count } = this.#readSize;
    const entries = await broker.read({ after, count, waitMs }, signal);
    const claimOf = new Map(claims.map((claim) => [reportStreamOf(claim.partition), claim]));
    for (const { stream, id } of entries) {
      const claim = claimOf.get(stream);
      if (claim !== undefined) this.#cursors.set(claim.partition, { epoch: claim.epoch, id });
    }
    const countOf = new Map<string, number>();
    for (const { stream } of entries) countOf.set(stream, (countOf.get(stream) ?? 0) + 1);
    const hasMore = [...countOf.values()].some((found) => found >= count);
    const bytes = entries.reduce((sum, { body }) => sum + body.length, 0);
    this.#readSize.note({ bytes, hasMore });
    this.#inFlightBytes += bytes;
    const before = [...this.#inFlight];
    const applied = this.#applyAll(entries).then(async (isAll) => {
      // What was read before may take longer: an output is fetched first.
      await Promise.all(before);
      if (isAll && !hasMore) this.#drainedAt = Math.max(this.#drainedAt, askedAt);
      this.#inFlightBytes -= bytes;
      this.#inFlight.delete(applied);
    });
    this.#inFlight.add(applied);
    while (this.#inFlight.size >= maxInFlight || this.#inFlightBytes > maxInFlightBytes) {
      await Promise.race(this.#inFlight);
    }
  }

  #cursorOf(claim: Claim): EntryId {
    const cursor = this.#cursors.get(claim.partition);
    return cursor?.epoch === claim.epoch ? cursor.id : "0-0";
  }

  /** Goes back to the start of the streams now and then (A1); what is in flight is waited for, but not for ever. */
  #reread(): void {
    const overdueMs = performance.now() - this.#rereadAt;
    if (overdueMs < 0 || (this.#inFlight.size > 0 && overdueMs < rereadPatienceMs)) return;
    this.#rereadAt = performance.now() + rereadMs;
    this.#cursors.clear();
  }

  /** Applies entries, deletes those whose effect is committed, and answers whether all could be applied. Never rejects. */
  async #applyAll(entries: readonly Entry[]): Promise<boolean> {
    const { broker, log } = this.#options;
    const outcomes = await Promise.allSettled(entries.map(async (entry) => await this.#apply(entry)));
    const done = entries.filter((_, index) => outcomes[index]?.status === "fulfilled");
    let isAll = true;
    for (const outcome of outcomes) {
      if (outcome.status === "fulfilled") continue;
      isAll = false;
      const level = isExpected(outcome.reason) ? "debug" : "error";
      log[level]({ err: outcome.reason }, "report not applied");
    }
    for (const [stream, own] of Map.groupBy(done, (entry) => entry.stream)) {
      try {
        await broker.remove(
          stream,
          own.map(({ id }) => id),
        );
      } catch (error) {
        log.debug({ err: error, stream }, "applied reports not deleted");
      }
    }
    return isAll;
  }

  async #apply(entry: Entry): Promise<void> {
    const { owner, broker, payloads, log } = this.#options;
    const read = readReport(entry.body);
    if (read.message === undefined) {
      log.error({ fault: read.fault, stream: entry.stream, id: entry.id }, "report moved aside");
      const body = entry.body.subarray(0, keptAsideBytes);
      await broker.publish([{ stream: asideStream, body, keepLatest: keptAside }]);
      return;
    }
    const message = await withStoredOutput(read.message, payloads);
    const isDecided = await owner.execute(message.runId, (run, claim) => decisionOn(message, run, claim));
    const stored = storedOutputOf(read.message);
    // History holds it by now, or never will; a repeat of the report is known by its number.
    if (stored !== undefined && isDecided) await payloads.remove(stored);
  }
}

/** Whether it is a refusal or an outage: both are dealt with where they come from. */
function isExpected(error: unknown): boolean {
  return error instanceof DomainError || error instanceof BrokerUnavailable || isConnectionLost(error);
}

type Read = { readonly message: ReportMessage } | { readonly message: undefined; readonly fault: string };

function readReport(body: Uint8Array): Read {
  if (body.length > maxReportBytes) return { message: undefined, fault: `has ${body.length} bytes` };
  let message: ReportMessage;
  try {
    message = decodeReport(body);
  } catch (error) {
    return { message: undefined, fault: `can not be decoded: ${String(error)}` };
  }
  const fault = reportFault(message);
  return fault === undefined ? { message } : { message: undefined, fault };
}

/** Decides on a report; the result says whether that is the last word, or the report has to come again. */
function decisionOn(
  message: ReportMessage,
  run: Parameters<typeof decideReport>[0],
  claim: Claim,
): Decision<boolean> {
  const report = reportOf(message);
  if (report === undefined) return { facts: [], result: false };
  const { nodeId, attempt } = report;
  const { workerId } = message;
  const about = { runId: message.runId, nodeId, attempt, epoch: claim.epoch };
  const decision = decideReport(run, report);
  switch (decision.kind) {
    case "applied":
      return { facts: decision.facts, result: true };
    case "early":
      return { facts: [], result: false };
    case "repeated": {
      const confirmed = orderOf(about, { case: "confirmed", value: { upTo: report.number } });
      return { facts: [], result: true, orders: [{ workerId, control: confirmed }] };
    }
    case "lost": {
      const lost = orderOf(about, { case: "leaseLost", value: {} });
      return { facts: [], result: true, orders: [{ workerId, control: lost }] };
    }
  }
}
