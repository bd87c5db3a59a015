/*
 * Follows one watched task for all its watchers.
 *
 *   F1. Entries are kept in order and without a hole, each once: from the stream
 *       what follows there, else from the archive (see transcript-reader.ts).
 *   F2. A watcher that is behind what is kept reads pages of the archive until it
 *       is not, at its own pace; equal reads at one time are one.
 *   F3. A watcher that had caught up and fell behind what is kept is too slow. No
 *       watcher is ever waited for.
 *   F4. History is compared by the number of its facts: an older answer is
 *       ignored.
 *   F5. A task is complete when history said that it has ended, and after that
 *       nothing more was found and nothing is missing.
 */
import { create } from "@bufbuild/protobuf";
import type { TaskIOState } from "../../gen/antiphon/internal/v1/task_state_service_pb.ts";
import { TaskNewsSchema } from "../../gen/antiphon/taskio/v1/transcript_pb.ts";
import type { Logger } from "../../lib/log/log.ts";
import type { Archiver } from "./archiver.ts";
import { beginning, type Cursor, compareCursors, cursorText } from "./cursor.ts";
import { OneAtATime } from "./one-at-a-time.ts";
import { type Bounds, RecentEntries, type RecentEntry } from "./recent-entries.ts";
import { isComplete, isFinal } from "./succession.ts";
import type { TaskStates } from "./task-states.ts";
import type { ReadEntry, ReadLimits, TranscriptReader } from "./transcript-reader.ts";
import type { TranscriptStore } from "./transcript-store.ts";

/** What is read at once. */
const pageLimits: ReadLimits = { maxCount: 256, maxBytes: 4 * 1_048_576 };

/** What is kept for those who come, when all who watch have it. */
const keptForNewcomers: Bounds = { entries: 1_024, bytes: 1_048_576 };

/** What feeds work with. */
export interface FeedNeeds {
  readonly reader: Pick<TranscriptReader, "fromStream" | "fromArchive" | "page">;
  readonly store: Pick<TranscriptStore, "heads">;
  readonly states: Pick<TaskStates, "askForNewer">;
  readonly archiver: Pick<Archiver, "wake" | "examine">;
  readonly log: Logger;
  /** How far a watcher may fall behind before it is dropped. */
  readonly behind: Bounds;
}

/** Who is told that there may be news. */
export interface FeedListener {
  /** The last place that it has, undefined while it catches up. */
  readonly livePlace: Cursor | undefined;
  readonly onNews: () => void;
}

/** One watched task. */
export class Feed {
  readonly taskId: string;
  readonly #needs: FeedNeeds;
  readonly #listeners = new Set<FeedListener>();
  readonly #entriesLook = new OneAtATime(
    () => this.#lookAtEntries(),
    (err) => this.#failed(err),
  );
  readonly #stateLook = new OneAtATime(
    () => this.#lookAtState(),
    (err) => this.#failed(err),
  );
  readonly #pages = new Map<string, Promise<readonly RecentEntry[]>>();
  #state: TaskIOState;
  #recent: RecentEntries | undefined;
  #archivedUpTo = beginning;
  #isComplete = false;

  constructor(state: TaskIOState, needs: FeedNeeds) {
    this.taskId = state.taskId;
    this.#state = state;
    this.#needs = needs;
  }

  /** The task as history has it. */
  get state(): TaskIOState {
    return this.#state;
  }

  /** Whether it has ended and the whole transcript was found (F5). */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** How many listen. */
  get listeners(): number {
    return this.#listeners.size;
  }

  /** Tells a listener of news until it is removed. */
  add(listener: FeedListener): void {
    this.#listeners.add(listener);
    this.#entriesLook.ask();
  }

  /** Tells a listener no more. */
  remove(listener: FeedListener): void {
    this.#listeners.delete(listener);
  }

  /** Says that there may be news. */
  wake(): void {
    if (this.#isComplete) return;
    this.#entriesLook.ask();
    this.#stateLook.ask();
  }

  /** Says how far the archive is. */
  archivedUpTo(head: Cursor): void {
    this.#archivedUpTo = head;
  }

  /** Takes a state that was asked for elsewhere (F4). */
  offer(state: TaskIOState): void {
    if (state.runSeq <= this.#state.runSeq) return;
    this.#state = state;
    this.#tell();
    if (isFinal(state.state)) this.#entriesLook.ask();
  }

  /** Kept entries after a place, at most `maxCount`; undefined when they begin later (F2). */
  after(place: Cursor, maxCount: number): readonly RecentEntry[] | undefined {
    return this.#recent?.after(place, maxCount);
  }

  /** The first entries after a place that is behind what is kept; none when they can not be found at the moment. */
  async page(after: Cursor): Promise<readonly RecentEntry[]> {
    const key = cursorText(after);
    const known = this.#pages.get(key);
    if (known !== undefined) return await known;
    const page = this.#readPage(after).finally(() => this.#pages.delete(key));
    this.#pages.set(key, page);
    return await page;
  }

  /** Resolves when it reads nothing. */
  async settled(): Promise<void> {
    await Promise.all([this.#entriesLook.settled(), this.#stateLook.settled()]);
  }

  async #readPage(after: Cursor): Promise<readonly RecentEntry[]> {
    const { reader } = this.#needs;
    const archived = await reader.fromArchive(this.taskId, after, pageLimits);
    if (archived.length > 0) return this.#shared(archived);
    const { entries } = await reader.page(this.taskId, after, pageLimits);
    return this.#shared(entries);
  }

  async #lookAtState(): Promise<void> {
    const state = await this.#needs.states.askForNewer(this.#state);
    if (state !== undefined) this.offer(state);
  }

  async #lookAtEntries(): Promise<void> {
    const { reader, archiver } = this.#needs;
    const recent = await this.#opened();
    while (this.#listeners.size > 0 && !this.#isComplete) {
      const state = this.#state;
      const at = recent.end;
      const stream = await reader.fromStream(this.taskId, at, pageLimits);
      const inArchive =
        stream.kind !== "nothing" || isFinal(state.state) || compareCursors(this.#archivedUpTo, at) > 0;
      const archived = inArchive && stream.kind !== "entries";
      const next = archived ? await reader.fromArchive(this.taskId, at, pageLimits) : entriesOf(stream);
      if (next.length > 0) {
        this.#add(recent, next);
        continue;
      }
      if (stream.kind === "later") archiver.wake(this.taskId);
      if (isFinal(state.state)) this.#foundNothingAfter(at, state, stream.kind === "nothing");
      return;
    }
  }

  async #opened(): Promise<RecentEntries> {
    if (this.#recent !== undefined) return this.#recent;
    const heads = await this.#needs.store.heads([this.taskId]);
    this.#recent = new RecentEntries(heads.get(this.taskId) ?? beginning);
    this.#tell();
    return this.#recent;
  }

  #add(recent: RecentEntries, entries: readonly ReadEntry[]): void {
    recent.push(this.#shared(entries));
    recent.trim(this.#passed(recent), { soft: keptForNewcomers, hard: this.#needs.behind });
    this.#tell();
  }

  /** The place that all have passed who have caught up and are not too slow. */
  #passed(recent: RecentEntries): Cursor {
    let passed = recent.end;
    for (const { livePlace } of this.#listeners) {
      if (livePlace === undefined || compareCursors(livePlace, recent.start) < 0) continue;
      if (compareCursors(livePlace, passed) < 0) passed = livePlace;
    }
    return passed;
  }

  #foundNothingAfter(at: Cursor, state: TaskIOState, nothingAfter: boolean): void {
    this.#isComplete = isComplete(at, { state, nothingAfter });
    if (this.#isComplete) this.#tell();
    else this.#needs.archiver.examine(this.taskId);
  }

  #tell(): void {
    for (const { onNews } of this.#listeners) onNews();
  }

  #failed(err: unknown): void {
    this.#needs.log.debug({ taskId: this.taskId, err }, "watched task can not be looked at");
  }

  #shared(entries: readonly ReadEntry[]): RecentEntry[] {
    return entries.map(({ attempt, seq, entry, bytes }) => {
      const news = create(TaskNewsSchema, { taskId: this.taskId, news: { case: "entry", value: entry } });
      return { attempt, seq, bytes, news };
    });
  }
}

function entriesOf(stream: Awaited<ReturnType<TranscriptReader["fromStream"]>>): readonly ReadEntry[] {
  return stream.kind === "entries" ? stream.entries : [];
}
