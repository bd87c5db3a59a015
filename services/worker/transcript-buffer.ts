/*
 * What an attempt has said and what is not known to be archived yet.
 *
 *   T1. Entries are numbered 1, 2, 3, … as they leave `pending`; an entry keeps
 *       its number and its bytes from then on.
 *   T2. `entries` holds every number from the first that is not known to be
 *       archived to the last one, so whatever the broker loses stands here.
 *   T3. Adjacent pieces of one output stream are one entry of at most 64 KiB,
 *       as long as they have no number; the order between entries is the order
 *       in which they were said.
 */
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type Entry, EntrySchema, type Output_Stream } from "../../gen/antiphon/taskio/v1/transcript_pb.ts";
import { encodeEntry } from "../../lib/streams/transcript-stream.ts";

/** What an entry can say, besides where it stands. */
export type EntryBody = Entry["body"];

/** The contract's bound on the bytes of one output entry. */
const maxOutputBytes = 65_536;

/** Charged for each entry besides its bytes, so that many small ones count as well. */
const entryOverheadBytes = 128;

/** Entries that follow each other, to be appended after number `after`. */
export interface NumberedEntries {
  readonly after: number;
  readonly bodies: readonly Uint8Array[];
}

interface PendingOutput {
  readonly kind: "output";
  readonly stream: Output_Stream;
  readonly pieces: Uint8Array[];
  bytes: number;
  readonly atMs: number;
}

interface PendingBody {
  readonly kind: "body";
  readonly body: EntryBody;
  readonly atMs: number;
}

export class TranscriptBuffer {
  readonly #attempt: number;
  /** Told by how many bytes the buffer grew or shrank. */
  readonly #resized: (bytes: number) => void;
  #pending: (PendingOutput | PendingBody)[] = [];
  #pendingBytes = 0;
  /** Numbers `#archivedUpTo + 1` to `#lastSeq` (T2). */
  #entries: Uint8Array[] = [];
  #lastSeq = 0;
  #appendedUpTo = 0;
  #archivedUpTo = 0;

  constructor(attempt: number, resized: (bytes: number) => void) {
    this.#attempt = attempt;
    this.#resized = resized;
  }

  /** The highest number given so far; 0 when none. */
  get lastSeq(): number {
    return this.#lastSeq;
  }

  /** Whether there is something that the broker has not got yet. */
  get hasNews(): boolean {
    return this.#pending.length > 0 || this.#appendedUpTo < this.#lastSeq;
  }

  /** Whether all that was ever said is known to be archived. */
  get isArchived(): boolean {
    return this.#pending.length === 0 && this.#archivedUpTo === this.#lastSeq;
  }

  /** Bytes that have no number yet. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  addOutput(stream: Output_Stream, data: Uint8Array, atMs: number): void {
    for (let from = 0; from < data.length; ) {
      const last = this.#pending.at(-1);
      const open =
        last?.kind === "output" && last.stream === stream && last.bytes < maxOutputBytes
          ? last
          : this.#openOutput(stream, atMs);
      const piece = data.subarray(from, from + maxOutputBytes - open.bytes);
      open.pieces.push(piece);
      open.bytes += piece.length;
      from += piece.length;
    }
    this.#grow(data.length);
  }

  /** Adds an entry of its own. `bytes` is about how large it is. */
  add(body: EntryBody, bytes: number, atMs: number): void {
    this.#pending.push({ kind: "body", body, atMs });
    this.#grow(bytes + entryOverheadBytes);
  }

  /** Numbers all that has no number yet. */
  number(): void {
    for (const pending of this.#pending) {
      this.#lastSeq += 1;
      const entry = encodeEntry(
        create(EntrySchema, {
          attempt: this.#attempt,
          seq: this.#lastSeq,
          at: timestampFromMs(pending.atMs),
          body: pending.kind === "body" ? pending.body : outputOf(pending),
        }),
      );
      this.#entries.push(entry);
      this.#resized(entry.length);
    }
    this.#pending = [];
    this.#resized(-this.#pendingBytes);
    this.#pendingBytes = 0;
  }

  /** The next numbered entries that the broker has not got, up to about `maxBytes` but one at least. */
  next(maxBytes: number): NumberedEntries {
    const after = this.#appendedUpTo;
    const bodies: Uint8Array[] = [];
    let bytes = 0;
    for (let at = after - this.#archivedUpTo; at < this.#entries.length && bytes < maxBytes; at += 1) {
      const body = this.#entries[at];
      if (body === undefined) break;
      bodies.push(body);
      bytes += body.length;
    }
    return { after, bodies };
  }

  /** Everything with a number that is not known to be archived. */
  all(): NumberedEntries {
    return { after: this.#archivedUpTo, bodies: [...this.#entries] };
  }

  /** The broker holds everything up to a number, and `firstLeft` is the oldest that is not archived; undefined when all of it is. */
  appended({ upTo, firstLeft }: { readonly upTo: number; readonly firstLeft: number | undefined }): void {
    this.#appendedUpTo = upTo;
    const archivedUpTo = Math.max(this.#archivedUpTo, firstLeft === undefined ? upTo : firstLeft - 1);
    const archived = this.#entries.splice(0, archivedUpTo - this.#archivedUpTo);
    this.#archivedUpTo = archivedUpTo;
    for (const entry of archived) this.#resized(-entry.length);
  }

  /** Forgets everything. */
  clear(): void {
    for (const entry of this.#entries) this.#resized(-entry.length);
    this.#resized(-this.#pendingBytes);
    this.#entries = [];
    this.#pending = [];
    this.#pendingBytes = 0;
  }

  #openOutput(stream: Output_Stream, atMs: number): PendingOutput {
    const output: PendingOutput = { kind: "output", stream, pieces: [], bytes: 0, atMs };
    this.#pending.push(output);
    this.#grow(entryOverheadBytes);
    return output;
  }

  #grow(bytes: number): void {
    this.#pendingBytes += bytes;
    this.#resized(bytes);
  }
}

function outputOf({ stream, pieces }: PendingOutput): EntryBody {
  const [only] = pieces;
  const data = pieces.length === 1 && only !== undefined ? only : Buffer.concat(pieces);
  return { case: "output", value: { $typeName: "antiphon.taskio.v1.Output", stream, data } };
}
