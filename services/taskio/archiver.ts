/*
 * Moves transcripts from the broker into the archive.
 *
 *   A1. Entries are stored only when they follow what is stored (compare and set
 *       in the store), so any number of processes may archive the same task, and
 *       a decision on an outdated view changes nothing.
 *   A2. The stream is trimmed after the commit, up to what is stored. Death in
 *       between leaves entries in the stream that are stored already; whoever
 *       looks next trims them.
 *   A3. A hole is waited for: the worker puts its buffer in place of what the
 *       broker lost. Only when history says that its attempt is over, and the
 *       entries have not come for `lostAfterMs` in which the broker answered, an
 *       entry that says so is stored in their place.
 *   A4. A stream is dropped when its task has ended, everything is stored, and
 *       its worker had time to see that. A worker that comes later still writes
 *       what is stored already, which is trimmed and dropped again.
 *   A5. A task that history does not know was deleted: nobody writes before the
 *       lease is history. What its stream holds is trimmed as if it were stored,
 *       so that a late worker comes to an end, and then the stream is dropped.
 *   A6. A task is looked at again until a look brings nothing, so a lost wake
 *       delays only what begins with it; the scan finds that.
 */
import type { TaskIOState } from "../../gen/antiphon/internal/v1/task_state_service_pb.ts";
import type { Broker } from "../../lib/broker/broker.ts";
import { parseTaskId } from "../../lib/ids/task-id.ts";
import { transcriptStreamOf } from "../../lib/streams/transcript-stream.ts";
import { endOf, nextCommit } from "./archive-commit.ts";
import { type ArchivePlan, archivePlan, isOver } from "./archive-plan.ts";
import { beginning, type Cursor, compareCursors } from "./cursor.ts";
import { Inbox } from "./inbox.ts";
import { lostEntry } from "./lost-entry.ts";
import { isFinal, type Missing } from "./succession.ts";
import type { TaskStates } from "./task-states.ts";
import { streamEntries } from "./transcript-reader.ts";
import type { Chunk, StoredEntry, TranscriptStore } from "./transcript-store.ts";

/** How many tasks are looked at at a time. */
const tasksAtOnce = 16;

/** How many entries of one task are read in one look: up to 8 MiB. */
const entriesPerLook = 128;

/** Who moves so many bytes in a turn has more to move at once: somebody writes faster than turns are paced. */
const busyBytes = 262_144;

/** How long the worker of an ended task has to see that its output is archived. */
const dropAfterMs = 5_000;

/** What an archiver works with. */
export interface ArchiverNeeds {
  readonly broker: Pick<Broker, "range" | "trim" | "drop">;
  readonly store: Pick<TranscriptStore, "append" | "heads">;
  readonly states: Pick<TaskStates, "ask">;
  /** How long entries that are missing may still come, when their attempt is over. */
  readonly lostAfterMs: number;
}

/** A task as a look finds it. */
interface ArchiveView {
  readonly taskId: string;
  /** The place of the last stored entry, undefined when none is. */
  readonly head: Cursor | undefined;
  /** What the stream holds, read after the head. May begin with entries that are stored. */
  readonly stream: readonly StoredEntry[];
  /** Whether that is all that it holds. */
  readonly isWhole: boolean;
}

/** How far a task is stored. */
interface Stored {
  readonly taskId: string;
  readonly upTo: Cursor;
}

/** Archives the tasks that it is told of. */
export class Archiver {
  /** Tasks to look at in the next turn. */
  readonly inbox = new Inbox();
  readonly #needs: ArchiverNeeds;
  /** Tasks whose history is asked for even if nothing of them is found. */
  readonly #examined = new Set<string>();
  /** Tasks to look at again after a while. */
  readonly #later = new Set<string>();
  /** Holes that are waited for (A3), since when. */
  readonly #holes = new Map<string, { readonly hole: string; readonly sinceMs: number }>();
  /** Tasks of which everything is archived (A4), since when. */
  readonly #endedSinceMs = new Map<string, number>();

  constructor(needs: ArchiverNeeds) {
    this.#needs = needs;
  }

  /** Says that there may be something to archive of a task. What is no task's id is ignored. */
  wake(taskId: string): void {
    if (parseTaskId(taskId) !== undefined) this.inbox.put(taskId);
  }

  /** As `wake`, for a task of which something is known to be missing or left over: its history is asked for. */
  examine(taskId: string): void {
    if (parseTaskId(taskId) === undefined) return;
    this.#examined.add(taskId);
    this.inbox.put(taskId);
  }

  /** Wakes the tasks that are to be looked at again. */
  wakeLater(): void {
    for (const taskId of this.#later) this.inbox.put(taskId);
    this.#later.clear();
  }

  /**
   * Archives what there is of some tasks. What is left is in the inbox, and the
   * answer is whether there is so much of it that nobody should wait. When it
   * rejects, the tasks are in the inbox again, and entries may have been stored.
   */
  async turn(taskIds: readonly string[]): Promise<"busy" | "quiet"> {
    if (taskIds.length === 0) return "quiet";
    try {
      let isBusy = false;
      const heads = await this.#needs.store.heads(taskIds);
      for (let at = 0; at < taskIds.length; at += tasksAtOnce) {
        if (await this.#archive(taskIds.slice(at, at + tasksAtOnce), heads)) isBusy = true;
      }
      return isBusy ? "busy" : "quiet";
    } catch (error) {
      // Nobody knows how long it will be away: time to come begins anew (A3).
      this.#holes.clear();
      for (const taskId of taskIds) this.inbox.put(taskId);
      throw error;
    }
  }

  /** Answers whether these tasks are busy. */
  async #archive(taskIds: readonly string[], heads: ReadonlyMap<string, Cursor>): Promise<boolean> {
    const views = await Promise.all(taskIds.map((taskId) => this.#look(taskId, heads.get(taskId))));
    const states = await this.#histories(views);
    const deleted = views.filter(({ taskId }) => states.has(taskId) && states.get(taskId) === undefined);
    await Promise.all(deleted.map((view) => this.#letGo(view)));
    const planned = views
      .filter((view) => !deleted.includes(view))
      .map((view) => ({ view, plan: this.#plan(view, states.get(view.taskId)) }));
    const leftovers = views.flatMap((view) => leftoverOf(view) ?? []);
    const chunks = planned.flatMap(({ view, plan }) => chunkOf(view, plan) ?? []);
    const bytes = await this.#store(chunks, leftovers);
    for (const { view, plan } of planned) {
      if (plan.entries.length === 0) await this.#followUp(view, plan, states.get(view.taskId));
    }
    return bytes >= busyBytes || views.some(({ isWhole }) => !isWhole);
  }

  /** Stores chunks, statement by statement, and trims what is stored while the next statement is on its way (A2). */
  async #store(chunks: readonly Chunk[], leftovers: readonly Stored[]): Promise<number> {
    let bytes = 0;
    let waiting = chunks;
    let untrimmed = leftovers;
    while (waiting.length > 0 || untrimmed.length > 0) {
      const { commit, rest } = nextCommit(waiting);
      const [done] = await Promise.all([this.#append(commit), this.#trim(untrimmed)]);
      const stored = commit.filter(({ taskId }) => done.has(taskId));
      const refused = new Set(commit.map(({ taskId }) => taskId).filter((taskId) => !done.has(taskId)));
      untrimmed = stored.map((chunk) => ({ taskId: chunk.taskId, upTo: endOf(chunk) }));
      waiting = rest.filter(({ taskId }) => !refused.has(taskId));
      for (const { entries } of stored) for (const { body } of entries) bytes += body.length;
    }
    return bytes;
  }

  async #append(commit: readonly Chunk[]): Promise<Set<string>> {
    if (commit.length === 0) return new Set();
    // Looked at again in any case: for what came meanwhile (A6), or because another process stored it.
    for (const { taskId } of commit) this.inbox.put(taskId);
    return await this.#needs.store.append(commit);
  }

  async #trim(stored: readonly Stored[]): Promise<void> {
    await Promise.all(
      stored.map(({ taskId, upTo }) =>
        this.#needs.broker.trim(transcriptStreamOf(taskId), `${upTo.attempt}-${upTo.seq + 1}`),
      ),
    );
  }

  async #look(taskId: string, head: Cursor | undefined): Promise<ArchiveView> {
    const stream = await streamEntries(this.#needs.broker, taskId, {
      after: beginning,
      count: entriesPerLook,
    });
    return { taskId, head, stream, isWhole: stream.length < entriesPerLook };
  }

  /** Ends what is left of a deleted task (A5). */
  async #letGo({ taskId, stream }: ArchiveView): Promise<void> {
    const name = transcriptStreamOf(taskId);
    const last = stream.at(-1);
    this.#holes.delete(taskId);
    if (last === undefined) {
      await this.#needs.broker.drop([name]);
      return;
    }
    await this.#needs.broker.trim(name, `${last.attempt}-${last.seq + 1}`);
    // Until it has seen that, its worker may write more.
    this.#later.add(taskId);
  }

  /** The history of those tasks whose plan depends on it: all is stored, or what follows is not obvious. Undefined for one that there is not. */
  async #histories(views: readonly ArchiveView[]): Promise<Map<string, TaskIOState | undefined>> {
    const states = new Map<string, TaskIOState | undefined>();
    const asked = views.filter((view) => {
      const isExamined = this.#examined.delete(view.taskId);
      const { entries, stop } = archivePlan({ ...view, head: view.head ?? beginning, state: undefined });
      if (stop.kind === "needs_history") return true;
      return entries.length === 0 && (isExamined || view.head !== undefined);
    });
    await Promise.all(
      asked.map(async ({ taskId }) => {
        try {
          states.set(taskId, await this.#needs.states.ask(taskId));
        } catch {
          // Other tasks can be archived without the scheduler; these are asked for again.
          this.#later.add(taskId);
        }
      }),
    );
    return states;
  }

  #plan(view: ArchiveView, state: TaskIOState | undefined): ArchivePlan {
    const { taskId, head = beginning } = view;
    const plan = archivePlan({ ...view, head, state });
    if (plan.stop.kind !== "hole") {
      this.#holes.delete(taskId);
      return plan;
    }
    const { missing } = plan.stop;
    if (state === undefined || !this.#isLost(taskId, missing, state)) return plan;
    const lost = lostEntry(missing);
    const rest = archivePlan({ ...view, head: lost, state });
    return { ...rest, entries: [...plan.entries, lost, ...rest.entries] };
  }

  #isLost(taskId: string, { attempt, firstSeq, lastSeq }: Missing, state: TaskIOState): boolean {
    const hole = `${attempt}-${firstSeq}-${lastSeq}`;
    const known = this.#holes.get(taskId);
    if (known?.hole === hole) {
      return isOver(attempt, state) && performance.now() - known.sinceMs >= this.#needs.lostAfterMs;
    }
    this.#holes.set(taskId, { hole, sinceMs: performance.now() });
    return false;
  }

  /** For a task of which there was nothing to store: it may be waiting, or at its end. */
  async #followUp(
    { taskId }: ArchiveView,
    { stop }: ArchivePlan,
    state: TaskIOState | undefined,
  ): Promise<void> {
    if (stop.kind === "more") {
      this.inbox.put(taskId);
      return;
    }
    if (stop.kind !== "drained") {
      // When history did not answer, the task is among those already.
      this.#later.add(taskId);
      return;
    }
    if (state === undefined || !isFinal(state.state)) {
      this.#endedSinceMs.delete(taskId);
      return;
    }
    const sinceMs = this.#endedSinceMs.get(taskId) ?? performance.now();
    this.#endedSinceMs.set(taskId, sinceMs);
    if (performance.now() - sinceMs < dropAfterMs) {
      this.#later.add(taskId);
      return;
    }
    await this.#needs.broker.drop([transcriptStreamOf(taskId)]);
    this.#endedSinceMs.delete(taskId);
  }
}

function chunkOf({ taskId, head = beginning }: ArchiveView, { entries }: ArchivePlan): Chunk | undefined {
  return entries.length > 0 ? { taskId, after: head, entries } : undefined;
}

/** What the stream holds although it is stored (A2). */
function leftoverOf({ taskId, head, stream: [first] }: ArchiveView): Stored | undefined {
  if (head === undefined || first === undefined || compareCursors(first, head) > 0) return undefined;
  return { taskId, upTo: head };
}
