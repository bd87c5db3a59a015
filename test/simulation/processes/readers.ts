/*
 * People who read transcripts: some while they are written, all of them to their
 * end. Whatever they are shown has no gap and comes once.
 */

import { durationFromMs } from "@bufbuild/protobuf/wkt";
import type { Entry } from "../../../gen/antiphon/taskio/v1/transcript_pb.ts";
import { delay } from "../../../lib/async/delay.ts";
import { taskIdOf } from "../../../lib/ids/task-id.ts";
import type { Task } from "../../../services/scheduler/core/run.ts";
import { isFinalTask } from "../../../services/scheduler/core/task-state.ts";
import { beginning, type Cursor } from "../../../services/taskio/cursor.ts";
import { insist } from "./insist.ts";
import { type People, patience, taskioFor } from "./people.ts";

/** How often readers look for tasks that begin. */
const lookMs = 700;

/** How likely a transcript is read while it is written. */
const liveShare = 0.3;

const waitMs = 1_000;

export class Readers {
  readonly #people: People;
  readonly #seen = new Set<string>();
  readonly #reading = new Set<string>();

  constructor(people: People) {
    this.#people = people;
  }

  /** Who has not read to the end; undefined when everybody has. */
  get waiting(): string | undefined {
    for (const { taskId, task } of this.#talking()) {
      if (this.#seen.has(taskId) || !isFinalTask(task.state)) continue;
      if (task.attempt > 0) return `nobody has read ${taskId}`;
    }
    const [taskId] = this.#reading;
    return taskId === undefined ? undefined : `somebody reads ${taskId}`;
  }

  /** Reads for ever. To be called in the life of the clients' process. */
  async run(): Promise<never> {
    const { world } = this.#people;
    for (;;) {
      await delay(lookMs);
      for (const { runId, taskId, task } of this.#talking()) {
        if (task.attempt === 0 || this.#reading.has(taskId)) continue;
        if (this.#seen.has(taskId) && !this.#isToBeReadAgain(taskId, task)) continue;
        if (!isFinalTask(task.state) && !world.random.chance(liveShare)) continue;
        this.#seen.add(taskId);
        this.#reading.add(taskId);
        this.#read(runId, taskId).then(
          () => this.#reading.delete(taskId),
          (error: unknown) =>
            this.#people.violations.report("defect", `a reader is refused: ${String(error)}`),
        );
      }
    }
  }

  /** Whether what was read has been lost since: whoever reads it again has taskio say so. */
  #isToBeReadAgain(taskId: string, task: Task): boolean {
    return isFinalTask(task.state) && !this.#people.transcripts.isStored(taskId, task);
  }

  /** The tasks that have transcripts. */
  *#talking(): Generator<{ readonly runId: string; readonly taskId: string; readonly task: Task }> {
    for (const [runId, run] of this.#people.ledger.runs) {
      for (const task of run.tasks) {
        const handler = run.plan.nodes[task.node]?.handler;
        if ((handler !== "program" && handler !== "approval") || task.items !== undefined) continue;
        yield { runId, taskId: taskIdOf(runId, task.name), task };
      }
    }
  }

  async #read(runId: string, taskId: string): Promise<void> {
    const { ledger, world } = this.#people;
    const taskio = taskioFor(this.#people, ledger.runs.get(runId)?.clientId ?? "");
    let after = "";
    let at: Cursor = beginning;
    for (;;) {
      const wait = durationFromMs(waitMs);
      const range = await insist(
        world.random,
        async () => await taskio.getTranscript({ taskId, after, pageSize: 3, wait }, patience),
      );
      for (const entry of range.entries) {
        this.#follow(taskId, at, entry);
        at = entry;
      }
      after = range.nextAfter;
      if (range.ended) return;
      await delay(world.random.between(50, 1_500));
    }
  }

  #follow(taskId: string, at: Cursor, { attempt, seq, body }: Entry): void {
    const first = body.case === "lost" ? body.value.firstSeq : seq;
    const isNext = attempt === at.attempt ? first === at.seq + 1 : attempt > at.attempt && first === 1;
    if (isNext) return;
    const message = `a reader of ${taskId} is shown ${attempt}-${seq} after ${at.attempt}-${at.seq}`;
    this.#people.violations.report("transcript broken", message);
  }
}
