/*
 * People who read transcripts: some while they are written, all of them to their
 * end. Whatever they are shown has no gap and comes once.
 */

import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { type Client, createClient } from "@connectrpc/connect";
import { TaskIOService } from "../../../gen/antiphon/taskio/v1/taskio_service_pb.ts";
import type { Entry } from "../../../gen/antiphon/taskio/v1/transcript_pb.ts";
import { delay } from "../../../lib/async/delay.ts";
import { taskIdOf } from "../../../lib/ids/task-id.ts";
import { isFinalTask } from "../../../services/scheduler/core/task-state.ts";
import { beginning, type Cursor } from "../../../services/taskio/cursor.ts";
import type { ClientsNeeds } from "./clients.ts";
import { insist } from "./insist.ts";

/** How often readers look for tasks that begin. */
const lookMs = 700;

/** How likely a transcript is read while it is written. */
const liveShare = 0.3;

const waitMs = 1_000;

export class Readers {
  readonly #needs: ClientsNeeds;
  readonly #seen = new Set<string>();
  readonly #reading = new Set<string>();

  constructor(needs: ClientsNeeds) {
    this.#needs = needs;
  }

  /** Who has not read to the end; undefined when everybody has. */
  get waiting(): string | undefined {
    for (const { runId, taskId, nodeId } of this.#programs()) {
      const task = this.#needs.ledger.task(runId, nodeId);
      if (this.#seen.has(taskId) || task === undefined || !isFinalTask(task.state)) continue;
      if (task.attempt > 0) return `nobody has read ${taskId}`;
    }
    const [taskId] = this.#reading;
    return taskId === undefined ? undefined : `somebody reads ${taskId}`;
  }

  /** Reads for ever. To be called in the life of the clients' process. */
  async run(): Promise<never> {
    const { world, ledger } = this.#needs;
    for (;;) {
      await delay(lookMs);
      for (const { runId, taskId, nodeId } of this.#programs()) {
        const task = ledger.task(runId, nodeId);
        if (this.#seen.has(taskId) || task === undefined || task.attempt === 0) continue;
        if (!isFinalTask(task.state) && !world.random.chance(liveShare)) continue;
        this.#seen.add(taskId);
        this.#reading.add(taskId);
        this.#read(runId, taskId).then(
          () => this.#reading.delete(taskId),
          (error: unknown) =>
            this.#needs.violations.report("defect", `a reader is refused: ${String(error)}`),
        );
      }
    }
  }

  *#programs(): Generator<{ readonly runId: string; readonly taskId: string; readonly nodeId: string }> {
    for (const [runId, run] of this.#needs.ledger.runs) {
      for (const { id, handler } of run.plan.nodes) {
        if (handler === "program") yield { runId, taskId: taskIdOf(runId, id), nodeId: id };
      }
    }
  }

  async #read(runId: string, taskId: string): Promise<void> {
    const { network, process, anyTaskio, ledger, world } = this.#needs;
    const clientId = ledger.runs.get(runId)?.clientId ?? "";
    let after = "";
    let at: Cursor = beginning;
    for (;;) {
      const wait = durationFromMs(waitMs);
      const taskio: Client<typeof TaskIOService> = createClient(
        TaskIOService,
        network.transport(process, anyTaskio, { clientId, audience: "tasks-api" }),
      );
      const range = await insist(
        world.random,
        async () => await taskio.getTranscript({ taskId, after, pageSize: 3, wait }, { timeoutMs: 6_000 }),
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
    this.#needs.violations.report("transcript broken", message);
  }
}
