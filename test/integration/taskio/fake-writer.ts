import { create } from "@bufbuild/protobuf";
import { timestampNow } from "@bufbuild/protobuf/wkt";
import { EntrySchema, Output_Stream, OutputSchema } from "../../../gen/antiphon/taskio/v1/transcript_pb.ts";
import { delay } from "../../../lib/async/delay.ts";
import type { Broker, NumberedOutcome } from "../../../lib/broker/broker.ts";
import { encodeEntry, transcriptStreamOf } from "../../../lib/streams/transcript-stream.ts";
import { encodeWake, wakeStreamOf } from "../../../lib/streams/wake-stream.ts";

type WriterBroker = Pick<Broker, "appendNumbered" | "replaceNumbered" | "publish">;

/** Writes the transcript of one attempt as a worker does: keeps what is not archived, and puts it back when the broker lost it. */
export class FakeWriter {
  readonly #broker: WriterBroker;
  readonly #taskId: string;
  readonly #attempt: number;
  /** Entries that may not be archived, the first of them with the number `#kept`. */
  #buffer: Uint8Array[] = [];
  #kept = 1;

  constructor(broker: WriterBroker, taskId: string, attempt = 1) {
    this.#broker = broker;
    this.#taskId = taskId;
    this.#attempt = attempt;
  }

  /** The number of the last entry. */
  get lastSeq(): number {
    return this.#kept + this.#buffer.length - 1;
  }

  /** How many entries are not known to be archived. */
  get unarchived(): number {
    return this.#buffer.length;
  }

  /** Writes outputs, one entry each. */
  async write(...texts: readonly (string | Uint8Array)[]): Promise<void> {
    const after = this.lastSeq;
    const bodies = texts.map((text, index) => this.#body(text, after + 1 + index));
    this.#buffer.push(...bodies);
    const outcome = await this.#broker.appendNumbered({ ...this.#place, after, bodies });
    await this.#apply(outcome);
    await this.wake();
  }

  /** Asks what is archived, and puts back what was lost. */
  async ask(): Promise<void> {
    await this.#apply(await this.#broker.appendNumbered({ ...this.#place, after: this.lastSeq, bodies: [] }));
  }

  /** Resolves when everything is archived. Rejects when it is not within `maxMs`. */
  async archived(maxMs = 10_000): Promise<void> {
    const untilMs = performance.now() + maxMs;
    while (this.#buffer.length > 0) {
      if (performance.now() > untilMs) throw new Error(`${this.#buffer.length} entries are not archived`);
      await this.ask();
      await delay(20);
    }
  }

  async wake(): Promise<void> {
    const { stream, body } = { stream: wakeStreamOf(this.#taskId), body: encodeWake(this.#taskId) };
    await this.#broker.publish([{ stream, body }]);
  }

  get #place() {
    return { stream: transcriptStreamOf(this.#taskId), series: this.#attempt };
  }

  async #apply(outcome: NumberedOutcome): Promise<void> {
    if (outcome.kind === "superseded") throw new Error("a later attempt has begun");
    if (outcome.kind === "gap") {
      const append = { ...this.#place, after: this.#kept - 1, bodies: this.#buffer };
      await this.#broker.replaceNumbered(append);
      await this.wake();
      return;
    }
    const archived = (outcome.firstLeft ?? this.lastSeq + 1) - this.#kept;
    this.#buffer.splice(0, archived);
    this.#kept += archived;
  }

  #body(text: string | Uint8Array, seq: number): Uint8Array {
    const data = typeof text === "string" ? new TextEncoder().encode(text) : text;
    const value = create(OutputSchema, { stream: Output_Stream.STDOUT, data });
    const at = timestampNow();
    return encodeEntry(
      create(EntrySchema, { attempt: this.#attempt, seq, at, body: { case: "output", value } }),
    );
  }
}
