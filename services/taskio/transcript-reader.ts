/*
 * Reads a task's transcript in order, each entry once, from the stream and the
 * archive.
 *
 *   R1. From the stream only what follows within an attempt is taken. Whether a
 *       later attempt follows is decided by archiving alone, so that all readers
 *       see one order.
 *   R2. The stream is asked first: what was trimmed from it before it answered is
 *       in the archive by then. So when neither has anything, nothing was missed.
 */
import { create } from "@bufbuild/protobuf";
import { type Entry, EntrySchema, LostSchema } from "../../gen/antiphon/taskio/v1/transcript_pb.ts";
import { type Broker, BrokerUnavailable, partsOf } from "../../lib/broker/broker.ts";
import type { Logger } from "../../lib/log/log.ts";
import { decodeEntry, transcriptStreamOf } from "../../lib/streams/transcript-stream.ts";
import type { Cursor } from "./cursor.ts";
import { follows } from "./succession.ts";
import type { StoredEntry, TranscriptStore } from "./transcript-store.ts";

/** How many entries are asked of the stream at once: up to 4 MiB, so that little is read in vain. */
const entriesPerRange = 64;

/** An entry as readers get it, and its size in binary form. */
export interface ReadEntry extends Cursor {
  readonly entry: Entry;
  readonly bytes: number;
}

/** How much to read at once; at least one entry is read, however large. */
export interface ReadLimits {
  readonly maxCount: number;
  readonly maxBytes: number;
}

/** Entries that follow a place. */
export interface TranscriptPage {
  readonly entries: readonly ReadEntry[];
  readonly isLast: boolean;
  readonly nothingAfter: boolean;
}

/** What the stream says about what comes after a place. */
export type FromStream =
  /** These come next. */
  | { readonly kind: "entries"; readonly entries: readonly ReadEntry[] }
  /** It has nothing after the place. */
  | { readonly kind: "nothing" }
  /** It has later entries, of which archiving decides whether they follow. */
  | { readonly kind: "later" }
  /** The broker is away. */
  | { readonly kind: "unknown" };

interface TranscriptReaderNeeds {
  readonly broker: Pick<Broker, "range">;
  readonly store: Pick<TranscriptStore, "read">;
  readonly log: Logger;
}

/** Reads transcripts. */
export class TranscriptReader {
  readonly #broker: TranscriptReaderNeeds["broker"];
  readonly #store: TranscriptReaderNeeds["store"];
  readonly #log: Logger;

  constructor({ broker, store, log }: TranscriptReaderNeeds) {
    this.#broker = broker;
    this.#store = store;
    this.#log = log;
  }

  /** What the stream has next after a place. */
  async fromStream(taskId: string, after: Cursor, { maxCount, maxBytes }: ReadLimits): Promise<FromStream> {
    const stored = await streamEntries(this.#broker, taskId, {
      after,
      count: Math.min(maxCount, entriesPerRange),
    }).catch(awayAsUndefined);
    if (stored === undefined) return { kind: "unknown" };
    const entries: ReadEntry[] = [];
    let at = after;
    let bytes = 0;
    for (const entry of stored) {
      bytes += entry.body.length;
      if (!follows(entry, at) || (bytes > maxBytes && entries.length > 0)) break;
      entries.push(this.#decoded(taskId, entry));
      at = entry;
    }
    if (entries.length > 0) return { kind: "entries", entries };
    return { kind: stored.length > 0 ? "later" : "nothing" };
  }

  /** What the archive has next after a place. */
  async fromArchive(taskId: string, after: Cursor, limits: ReadLimits): Promise<readonly ReadEntry[]> {
    const stored = await this.#store.read({ taskId, after, ...limits });
    return stored.map((entry) => this.#decoded(taskId, entry));
  }

  /**
   * As much as there is after a place within the limits. `isLast` says whether no
   * more was found after them, `nothingAfter` whether the stream said so too.
   */
  async page(taskId: string, after: Cursor, limits: ReadLimits): Promise<TranscriptPage> {
    const entries: ReadEntry[] = [];
    let bytes = 0;
    for (;;) {
      const room = { maxCount: limits.maxCount - entries.length, maxBytes: limits.maxBytes - bytes };
      if (room.maxCount <= 0 || room.maxBytes <= 0) return { entries, isLast: false, nothingAfter: false };
      const at = entries.at(-1) ?? after;
      const stream = await this.fromStream(taskId, at, room);
      const next = stream.kind === "entries" ? stream.entries : await this.fromArchive(taskId, at, room);
      if (next.length === 0) return { entries, isLast: true, nothingAfter: stream.kind === "nothing" };
      for (const entry of next) {
        // The first may be larger than the room that others have left.
        if (bytes + entry.bytes > limits.maxBytes && entries.length > 0) {
          return { entries, isLast: false, nothingAfter: false };
        }
        entries.push(entry);
        bytes += entry.bytes;
      }
    }
  }

  /** An entry that can not be decoded is told as lost: its number must not be skipped. */
  #decoded(taskId: string, { attempt, seq, body }: StoredEntry): ReadEntry {
    try {
      const entry = decodeEntry(body);
      entry.attempt = attempt;
      entry.seq = seq;
      return { attempt, seq, entry, bytes: body.length };
    } catch (err) {
      this.#log.error({ taskId, attempt, seq, err }, "transcript entry can not be decoded");
      const lost = { case: "lost", value: create(LostSchema, { firstSeq: seq }) } as const;
      return { attempt, seq, entry: create(EntrySchema, { attempt, seq, body: lost }), bytes: body.length };
    }
  }
}

/** Entries of a task's stream after a place, with their places. */
export async function streamEntries(
  broker: Pick<Broker, "range">,
  taskId: string,
  { after, count }: { readonly after: Cursor; readonly count: number },
): Promise<StoredEntry[]> {
  const entries = await broker.range(transcriptStreamOf(taskId), {
    after: `${after.attempt}-${after.seq}`,
    count,
  });
  return entries.map(({ id, body }) => {
    const [attempt, seq] = partsOf(id);
    return { attempt, seq, body };
  });
}

function awayAsUndefined(error: unknown): undefined {
  if (!(error instanceof BrokerUnavailable)) throw error;
}
