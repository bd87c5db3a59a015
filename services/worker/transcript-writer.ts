/*
 * Brings the transcript of one attempt into the broker, and holds it until it is
 * archived.
 *
 *   W1. Nothing is written before the lease of the attempt is committed: the
 *       writer is made only then.
 *   W2. One append is in flight at a time; what is said meanwhile goes into the
 *       next one.
 *   W3. An entry leaves the buffer only when the broker, asked by an append,
 *       shows that it was trimmed, which is done after archiving alone. While
 *       something is left and nothing is said, empty appends ask.
 *   W4. A broker that is away loses nothing: the append is repeated, and when it
 *       had been done after all, or the stream is lost, the answer is `gap` and
 *       the stream gets everything that is not archived.
 *   W5. A later attempt ends the writer.
 *   W6. Producers wait while the buffer of the task, or of the worker, is full.
 */
import type { Output_Stream } from "../../gen/antiphon/taskio/v1/transcript_pb.ts";
import { Backoff } from "../../lib/async/backoff.ts";
import { Bell } from "../../lib/async/bell.ts";
import { type Broker, BrokerUnavailable, type NumberedOutcome } from "../../lib/broker/broker.ts";
import { transcriptStreamOf } from "../../lib/streams/transcript-stream.ts";
import { encodeWake, wakeStreamOf } from "../../lib/streams/wake-stream.ts";
import { Budget } from "./budget.ts";
import { type EntryBody, TranscriptBuffer } from "./transcript-buffer.ts";

/** Under load an append waits this long after the one before, so that chunks grow instead of appends. */
const paceMs = 16;

/** A full chunk waits for no more. */
const chunkBytes = 65_536;

/** So that no single script holds the broker up. */
const maxAppendBytes = 1_048_576;

/** How soon to ask whether what was written is archived; doubles up to the second. */
const firstAskMs = 100;
const lastAskMs = 1_000;

/** What one task may have said and not archived, in bytes. */
const unarchivedBytesPerTask = 8 * 1_048_576;

/** How much a task may say in one attempt, in bytes; what follows is dropped. */
const defaultOutputLimitBytes = 1_073_741_824;

export interface TranscriptOf {
  readonly taskId: string;
  readonly attempt: number;
  readonly broker: Pick<Broker, "appendNumbered" | "replaceNumbered" | "publish">;
  /** What all tasks of the worker may have said and not archived. */
  readonly workerBudget: Budget;
  /** Bytes that the attempt may say; 1 GiB unless given. */
  readonly outputLimitBytes?: number;
  /** Told once, when a later attempt has begun to write. */
  readonly onSuperseded: () => void;
}

export class TranscriptWriter {
  /** Resolves when everything is archived after `end`, or the writer was abandoned. Rejects on a defect. */
  readonly finished: Promise<void>;
  readonly #of: TranscriptOf;
  readonly #stream: string;
  readonly #budget: Budget;
  readonly #buffer: TranscriptBuffer;
  readonly #news = new Bell();
  readonly #abandoned = new AbortController();
  readonly #appendedAll = Promise.withResolvers<number>();
  readonly #outputLimitBytes: number;
  #saidBytes = 0;
  #isUrgent = false;
  #hasEnded = false;

  constructor(of: TranscriptOf) {
    this.#of = of;
    this.#stream = transcriptStreamOf(of.taskId);
    this.#outputLimitBytes = of.outputLimitBytes ?? defaultOutputLimitBytes;
    this.#budget = new Budget(unarchivedBytesPerTask, of.workerBudget);
    this.#buffer = new TranscriptBuffer(of.attempt, (bytes) => {
      if (bytes > 0) this.#budget.charge(bytes);
      else this.#budget.release(-bytes);
    });
    this.finished = this.#pump(this.#abandoned.signal).finally(() => this.#buffer.clear());
  }

  /** Says output; resolves when there is room for more. Counts against the bound on output. */
  async write(stream: Output_Stream, data: Uint8Array): Promise<void> {
    if (this.#isClosed || data.length === 0) return;
    const room = this.#outputLimitBytes - this.#saidBytes;
    if (room > 0) this.#buffer.addOutput(stream, data.subarray(0, room), Date.now());
    this.#count(data.length);
    await this.#untilRoom();
  }

  /** Says something else that a program may say at will; as `write`. `bytes` is about how large it is. */
  async say(body: EntryBody, bytes: number): Promise<void> {
    if (this.#isClosed) return;
    if (this.#saidBytes < this.#outputLimitBytes) this.#buffer.add(body, bytes, Date.now());
    this.#count(bytes);
    await this.#untilRoom();
  }

  /** Says a question or an answer: never dropped, and at once. */
  sayUrgently(body: EntryBody, bytes: number): void {
    if (this.#isClosed) return;
    this.#buffer.add(body, bytes, Date.now());
    this.#isUrgent = true;
    this.#news.ring();
  }

  /** Ends the transcript; answers the number of the last entry, 0 when there is none, once the broker has it or the writer is abandoned. */
  async end(): Promise<number> {
    this.#hasEnded = true;
    this.#isUrgent = true;
    this.#buffer.number();
    this.#news.ring();
    return await this.#appendedAll.promise;
  }

  /** Forgets what is not written or archived, and ends. */
  abandon(): void {
    this.#abandoned.abort();
  }

  get #isClosed(): boolean {
    return this.#hasEnded || this.#abandoned.signal.aborted;
  }

  /** Counts what the program said; what crosses the bound is followed by an entry that says so. */
  #count(bytes: number): void {
    const wasWithin = this.#saidBytes <= this.#outputLimitBytes;
    this.#saidBytes += bytes;
    if (wasWithin && this.#saidBytes > this.#outputLimitBytes) {
      const limit = BigInt(this.#outputLimitBytes);
      const truncated = { $typeName: "antiphon.taskio.v1.Truncated", limit } as const;
      this.#buffer.add({ case: "truncated", value: truncated }, 0, Date.now());
    }
    this.#news.ring();
  }

  async #untilRoom(): Promise<void> {
    await this.#budget.untilRoom(this.#abandoned.signal);
  }

  async #pump(signal: AbortSignal): Promise<void> {
    const backoff = new Backoff({ firstMs: 50, maxMs: 2_000 });
    let askMs = firstAskMs;
    let appendedAtMs = -paceMs;
    try {
      while (!signal.aborted) {
        if (this.#hasEnded && !this.#buffer.hasNews) this.#appendedAll.resolve(this.#buffer.lastSeq);
        if (this.#hasEnded && this.#buffer.isArchived) return;
        if (!this.#buffer.hasNews) {
          await this.#news.heard(signal, this.#buffer.isArchived ? undefined : askMs);
          if (this.#buffer.isArchived) continue;
          askMs = Math.min(askMs * 2, lastAskMs);
        }
        await this.#pace(appendedAtMs, signal);
        if (signal.aborted) return;
        appendedAtMs = performance.now();
        if (this.#buffer.hasNews) askMs = firstAskMs;
        try {
          if ((await this.#append()) === "superseded") {
            this.#of.onSuperseded();
            return;
          }
          backoff.reset();
        } catch (error) {
          if (!(error instanceof BrokerUnavailable)) throw error;
          await backoff.wait(signal);
        }
      }
    } finally {
      this.abandon();
      this.#appendedAll.resolve(this.#buffer.lastSeq);
    }
  }

  /** Waits while chunks should grow: not after a pause, not for whole chunks, and not when somebody waits for an answer. */
  async #pace(appendedAtMs: number, signal: AbortSignal): Promise<void> {
    const untilMs = appendedAtMs + paceMs;
    for (;;) {
      const leftMs = untilMs - performance.now();
      if (leftMs <= 0 || this.#isUrgent || this.#buffer.pendingBytes >= chunkBytes || signal.aborted) return;
      await this.#news.heard(signal, leftMs);
    }
  }

  async #append(): Promise<"appended" | "superseded"> {
    const { broker, attempt } = this.#of;
    this.#isUrgent = false;
    this.#buffer.number();
    const next = this.#buffer.next(maxAppendBytes);
    const place = { stream: this.#stream, series: attempt };
    const hadNews = next.bodies.length > 0;
    let written = next;
    let outcome: NumberedOutcome = await broker.appendNumbered({ ...place, ...next });
    if (outcome.kind === "gap") {
      written = this.#buffer.all();
      outcome = await broker.replaceNumbered({ ...place, ...written });
    }
    if (outcome.kind !== "appended") return "superseded";
    const { firstLeft } = outcome;
    this.#buffer.appended({ upTo: written.after + written.bodies.length, firstLeft });
    if (hadNews || !this.#buffer.isArchived) await this.#wakeReaders();
    return "appended";
  }

  /** A wake that is lost only delays (lib/streams/wake-stream.ts). */
  async #wakeReaders(): Promise<void> {
    const { broker, taskId } = this.#of;
    await broker.publish([{ stream: wakeStreamOf(taskId), body: encodeWake(taskId) }]);
  }
}
