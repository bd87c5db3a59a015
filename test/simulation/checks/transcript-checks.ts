import { parseTaskId, taskIdOf } from "../../../lib/ids/task-id.ts";
import { decodeEntry } from "../../../lib/streams/transcript-stream.ts";
import type { Task } from "../../../services/scheduler/core/run.ts";
import { isFinalTask } from "../../../services/scheduler/core/task-state.ts";
import { beginning } from "../../../services/taskio/cursor.ts";
import type { Chunk, StoredEntry } from "../../../services/taskio/transcript-store.ts";
import type { Tables } from "../postgres/tables.ts";
import type { Ledger } from "./ledger.ts";
import type { Violations } from "./violations.ts";

/** Checks what is archived of transcripts. */
export class TranscriptChecks {
  readonly #tables: Tables;
  readonly #ledger: Ledger;
  readonly #violations: Violations;
  readonly #isFaithful: (incarnation: string) => boolean;
  /** What handlers wrote, by task and attempt. */
  readonly #written = new Map<string, string>();

  constructor({
    tables,
    ledger,
    violations,
    isFaithful,
  }: {
    readonly tables: Tables;
    readonly ledger: Ledger;
    readonly violations: Violations;
    /** Whether the worker process of an incarnation has been there all the time, and nobody told it to end. */
    readonly isFaithful: (incarnation: string) => boolean;
  }) {
    this.#isFaithful = isFaithful;
    this.#tables = tables;
    this.#ledger = ledger;
    this.#violations = violations;
  }

  /** A handler writes, and knows that it holds the attempt. */
  wrote(taskId: string, attempt: number, text: string): void {
    const key = `${taskId}#${attempt}`;
    this.#written.set(key, (this.#written.get(key) ?? "") + text);
  }

  /** Entries were stored. */
  archived(chunks: readonly Chunk[]): void {
    for (const { taskId, after, entries } of chunks) {
      let at = after;
      for (const entry of entries) {
        const isNext = entry.attempt === at.attempt ? entry.seq === at.seq + 1 : entry.attempt > at.attempt;
        const body = decodeEntry(entry.body);
        if (!isNext && body.body.case !== "lost") {
          const message = `${taskId}: ${entry.attempt}-${entry.seq} is stored after ${at.attempt}-${at.seq}`;
          this.#violations.report("transcript broken", message);
        }
        if (body.body.case === "lost" && this.#isHeld(taskId, entry.attempt)) {
          const message = `${taskId}: ${entry.attempt}-${entry.seq} is given up, and its worker is there and has to have it`;
          this.#violations.report("transcript broken", message);
        }
        if (body.attempt !== entry.attempt || body.seq !== entry.seq) {
          const message = `${taskId}: ${body.attempt}-${body.seq} is stored as ${entry.attempt}-${entry.seq}`;
          this.#violations.report("transcript broken", message);
        }
        at = entry;
      }
    }
  }

  /** Whether the worker that wrote an attempt has to have what is not archived. */
  #isHeld(taskId: string, number: number): boolean {
    const attempt = this.#ledger.attempt(taskId, number);
    if (attempt?.lease === undefined || attempt.lapsedAtMs !== undefined || attempt.isClosed) return false;
    return this.#isFaithful(attempt.lease.incarnation);
  }

  /** Whether all of a task's transcript is stored, as far as history knows how long it is. */
  isStored(taskId: string, { lastSeqs }: Pick<Task, "lastSeqs">): boolean {
    const head = this.#tables.heads.get(taskId) ?? beginning;
    return [...lastSeqs].every(
      ([attempt, lastSeq]) =>
        lastSeq === 0 || head.attempt > attempt || (head.attempt === attempt && head.seq >= lastSeq),
    );
  }

  /** What is not stored yet of tasks that are over; undefined when nothing. */
  missing(): string | undefined {
    for (const [runId, run] of this.#ledger.runs) {
      for (const task of run.tasks) {
        if (!isFinalTask(task.state)) continue;
        const taskId = taskIdOf(runId, task.name);
        if (!this.isStored(taskId, task)) return `not all of the transcript of ${taskId} is stored`;
      }
    }
    return undefined;
  }

  /** Compares what is stored in the end with what was written and with history. */
  compare(): void {
    for (const [taskId, entries] of this.#tables.entries) {
      const place = parseTaskId(taskId);
      const task = this.#ledger.task(place?.runId ?? "", place?.nodeId ?? "");
      for (const [attempt, own] of Map.groupBy(entries, (entry) => entry.attempt)) {
        const lastSeq = task?.lastSeqs.get(attempt);
        const last = own.at(-1)?.seq ?? 0;
        if (lastSeq !== undefined && last !== lastSeq) {
          const message = `${taskId}#${attempt} is stored up to ${last}, and ended at ${lastSeq}`;
          this.#violations.report("transcript broken", message);
        }
        this.#compareOutput(taskId, attempt, own, lastSeq !== undefined);
      }
    }
  }

  #compareOutput(taskId: string, attempt: number, entries: readonly StoredEntry[], isWhole: boolean): void {
    let stored = "";
    for (const { body } of entries) {
      const entry = decodeEntry(body).body;
      // What is lost with both its worker and the broker is said, and ends what can be compared.
      if (entry.case === "lost") return;
      if (entry.case === "output") stored += Buffer.from(entry.value.data).toString("utf8");
    }
    const written = this.#written.get(`${taskId}#${attempt}`) ?? "";
    const isRight = isWhole ? stored === written : written.startsWith(stored);
    if (isRight) return;
    const message = `${taskId}#${attempt} wrote ${JSON.stringify(written)}, and ${JSON.stringify(stored)} is stored`;
    this.#violations.report("transcript broken", message);
  }
}
