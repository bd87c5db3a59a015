/*
 * The port to the broker that carries messages between services.
 *
 *   B1. The broker holds no truth. Everything in it may vanish at any moment,
 *       or come back as it was a minute ago; callers then repeat from what
 *       Postgres and the workers know.
 *   B2. A stream is an append-only list of entries. Ids grow within one life
 *       of the broker and are compared with `compareIds`, never as text.
 *   B3. An entry may be delivered twice, not at all, or out of order; seldom, but
 *       callers repeat what matters and know a repeat when they see one.
 *   B4. Every method may be called at any time, also while the broker is away:
 *       it then rejects with `BrokerUnavailable` within a few seconds and the
 *       adapter reconnects by itself. Nothing is queued for later behind the
 *       caller's back.
 *
 * Two adapters hold to this text, and one suite (`broker.suite.ts`) runs on
 * both: Redis Streams, and memory for a single process.
 */

/** What is appended: bytes to one stream. */
export interface Publication {
  readonly stream: string;
  readonly body: Uint8Array;
  /** How many entries the stream keeps, at least 1: the oldest beyond it are deleted. Unset: all. */
  readonly keepLatest?: number;
}

/** One entry as it was read. */
export interface Entry {
  readonly stream: string;
  readonly id: EntryId;
  readonly body: Uint8Array;
}

/** The place of an entry in its stream, written `<major>-<minor>`; `0-0` is before every entry. */
export type EntryId = `${number}-${number}`;

/** What is appended to a numbered stream, all of it or nothing. */
export interface NumberedAppend {
  readonly stream: string;
  /** The series that the writer owns, from 1. A stream takes no entry of a series below its latest. */
  readonly series: number;
  /** The number of the entry before the first of `bodies`, 0 when there is none; the bodies get the numbers that follow. */
  readonly after: number;
  /** May be empty: the writer then learns what is left in the stream, and whether what it wrote was lost. */
  readonly bodies: readonly Uint8Array[];
}

/** How an append to a numbered stream ended. */
export type NumberedOutcome =
  /** Written. `firstLeft` is the number of the oldest entry of this series still in the stream, undefined when none is. */
  | { readonly kind: "appended"; readonly firstLeft: number | undefined }
  /** Nothing written: a later series has begun. */
  | { readonly kind: "superseded" }
  /** Nothing written: `<series>-<after>` is not the last id that the stream ever held. */
  | { readonly kind: "gap" };

export interface Broker extends AsyncDisposable {
  /** What kind of broker this is, for start-up lines and health. */
  readonly kind: "redis" | "memory";

  /** Appends each publication to its stream, in the given order, and answers their ids in that order. */
  publish(publications: readonly Publication[]): Promise<EntryId[]>;

  /**
   * Takes entries that no other taker of the group has been given, oldest first,
   * and deletes them from their streams. Each entry goes to one taker, or, when
   * a taker dies in the middle, to none (see `has`). The group begins at
   * the start of the stream; where it is missing it is made anew. A stream has
   * one group, because what a group takes is gone for all.
   *
   * `streams` stand in order of preference: a later one is asked for what the
   * earlier ones leave of `count`, which bounds the entries of all of them
   * together and is at least 1. `consumer` only names the taker to whoever looks at the broker; it
   * should be the same after a restart.
   *
   * Answers as soon as there is something to take, else an empty list after
   * `waitMs` (0 does not wait). When `signal` aborts it answers at once, empty
   * unless entries were taken in the same moment.
   */
  take(
    from: {
      readonly streams: readonly string[];
      readonly group: string;
      readonly consumer: string;
      readonly count: number;
      readonly waitMs: number;
    },
    signal: AbortSignal,
  ): Promise<Entry[]>;

  /**
   * Reads entries that come after the given ids, at most `count` (from 1) of each
   * stream, without a group. Answers as `take` does. A stream that does not exist yet is
   * waited for.
   */
  read(
    from: { readonly after: ReadonlyMap<string, EntryId>; readonly count: number; readonly waitMs: number },
    signal: AbortSignal,
  ): Promise<Entry[]>;

  /** Answers entries of one stream after an id (exclusive), oldest first, at most `count`, without waiting. */
  range(stream: string, options: { readonly after: EntryId; readonly count: number }): Promise<Entry[]>;

  /** Deletes entries; unknown ids are ignored. */
  remove(stream: string, ids: readonly EntryId[]): Promise<void>;

  /** Deletes all entries with an id lower than `below`. */
  trim(stream: string, below: EntryId): Promise<void>;

  /** Deletes whole streams with their groups. */
  drop(streams: readonly string[]): Promise<void>;

  /** Which of these entries wait in their stream to be taken. Any other was given to a taker, deleted, or lost by the broker; also one that is in the stream as long as its taker has not deleted it. */
  has(stream: string, ids: readonly EntryId[]): Promise<ReadonlySet<EntryId>>;

  /** The id that the latest entry of a stream has or had, `0-0` for a stream that does not exist. */
  lastId(stream: string): Promise<EntryId>;

  /**
   * Appends to a numbered stream, where ids are `<series>-<number>` and chosen
   * by the writer. Written when the last id that the stream ever held is
   * `<series>-<after>`, or when `after` is 0 and the stream is absent or its
   * last id is of a lower series. A stream that was trimmed or emptied keeps
   * its last id.
   */
  appendNumbered(append: NumberedAppend): Promise<NumberedOutcome>;

  /**
   * Puts these entries in place of everything the stream holds of their series,
   * whatever number it is at, so that the next append follows the last of them
   * (or `after`, when there are none); for a writer that met a `gap`. Entries of
   * lower series stay. A later series supersedes as in `appendNumbered`.
   */
  replaceNumbered(append: NumberedAppend): Promise<NumberedOutcome>;

  /** Raises a counter (a key of its own, not a stream) by one and answers its new value. It going back, or starting over at 1, shows that the broker lost its contents. One that was not raised for a day may be forgotten. */
  raise(counter: string): Promise<number>;

  /** Names of all streams that begin with a prefix, in no order; may take a while and may repeat a name. */
  streams(prefix: string): AsyncIterable<string>;

  /** Resolves when the broker answers, rejects with `BrokerUnavailable` when not within `timeoutMs`. */
  ping(timeoutMs: number): Promise<void>;
}

/** Orders two ids: negative when `a` comes first. */
export function compareIds(a: EntryId, b: EntryId): number {
  const [majorA, minorA] = partsOf(a);
  const [majorB, minorB] = partsOf(b);
  return majorA - majorB || minorA - minorB;
}

/** The two numbers of an id. */
export function partsOf(id: EntryId): [major: number, minor: number] {
  const dash = id.indexOf("-");
  return [Number(id.slice(0, dash)), Number(id.slice(dash + 1))];
}

/** The broker did not answer in time or refused the connection; what was asked for may or may not have happened. */
export class BrokerUnavailable extends Error {
  override readonly name = "BrokerUnavailable";
}
