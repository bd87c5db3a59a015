/*
 * Writes the transcripts of approvals, whose questions no worker asks.
 *
 *   Q1. The question is entry 1 of the attempt, the answer entry 2. Both are
 *       written after the commit that they tell of.
 *   Q2. The whole transcript of the attempt is put in place each time, so that
 *       writing it again, after a take-over or a loss of the broker, is harmless.
 */
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { type Entry, EntrySchema } from "../../gen/antiphon/taskio/v1/transcript_pb.ts";
import { type Broker, BrokerUnavailable } from "../../lib/broker/broker.ts";
import { taskIdOf } from "../../lib/ids/task-id.ts";
import type { Logger } from "../../lib/log/log.ts";
import { encodeEntry, transcriptStreamOf } from "../../lib/streams/transcript-stream.ts";
import { encodeWake, wakeStreamOf } from "../../lib/streams/wake-stream.ts";
import type { Committed } from "./commit-batch.ts";
import type { RunEvent } from "./core/event.ts";
import { type Prompt, type Run, type Task, taskOf } from "./core/run.ts";
import { isFinalRun } from "./core/task-state.ts";

export interface ApprovalTranscriptOptions {
  readonly broker: Pick<Broker, "replaceNumbered" | "publish">;
  readonly log: Logger;
}

type Answer = Pick<Extract<RunEvent, { type: "prompt_answered" }>, "answer" | "answeredBy" | "at">;

export class ApprovalTranscript {
  readonly #options: ApprovalTranscriptOptions;
  readonly #underway = new Set<Promise<void>>();
  /** The last write of each task, which the next one follows. */
  readonly #last = new Map<string, Promise<void>>();
  /** What was written for runs that have not ended, to be written again when the broker lost it. */
  readonly #told = new Map<string, Map<string, readonly Entry[]>>();

  constructor(options: ApprovalTranscriptOptions) {
    this.#options = options;
  }

  /** To be told of every commit. */
  onCommitted(committed: readonly Committed[]): void {
    for (const { run, events, asked } of committed) {
      if (run === undefined) continue;
      for (const { task, prompt } of asked) this.#tell(run, { task, prompt, answer: undefined });
      for (const event of events) {
        if (event.type !== "prompt_answered") continue;
        const task = taskOf(run, event.nodeId);
        if (task === undefined || run.plan.nodes[task.node]?.engine !== "approval") continue;
        const prompt = task.prompts.find(({ promptId }) => promptId === event.promptId);
        if (prompt !== undefined) this.#tell(run, { task, prompt, answer: event });
      }
      if (isFinalRun(run.state)) this.#told.delete(run.runId);
    }
  }

  /** Writes what a run's approvals asked and were answered again. Its record must hold nothing that is not committed. */
  adopt(run: Run): void {
    for (const task of run.tasks) {
      if (run.plan.nodes[task.node]?.engine !== "approval") continue;
      const prompt = task.prompts.at(-1);
      if (prompt?.attempt !== task.attempt) continue;
      const { answer, answeredBy } = prompt;
      const isAnswered = answer !== undefined && answeredBy !== undefined;
      const given = isAnswered ? { answer, answeredBy, at: task.endedAt ?? prompt.openedAt } : undefined;
      this.#tell(run, { task, prompt, answer: given });
    }
  }

  /** Writes all of it again: the broker lost its contents. */
  writeAgain(): void {
    for (const tasks of this.#told.values())
      for (const [taskId, entries] of tasks) this.#write(taskId, entries);
  }

  /** Forgets what belongs to these runs. */
  drop(runs: ReadonlySet<Run>): void {
    for (const { runId } of runs) this.#told.delete(runId);
  }

  /** Resolves when everything has been written, or could not be. */
  async idle(): Promise<void> {
    await Promise.all(this.#underway);
  }

  #tell(
    run: Run,
    { task, prompt, answer }: { task: Task; prompt: Prompt; answer: Answer | undefined },
  ): void {
    const taskId = taskIdOf(run.runId, task.name);
    const entries = entriesOf(prompt, answer);
    const tasks = this.#told.get(run.runId) ?? new Map<string, readonly Entry[]>();
    this.#told.set(run.runId, tasks.set(taskId, entries));
    this.#write(taskId, entries);
  }

  #write(taskId: string, entries: readonly Entry[]): void {
    const before = this.#last.get(taskId);
    const writing = (async () => {
      await before;
      await this.#put(taskId, entries);
    })();
    const done = writing.finally(() => {
      this.#underway.delete(done);
      if (this.#last.get(taskId) === done) this.#last.delete(taskId);
    });
    this.#underway.add(done);
    this.#last.set(taskId, done);
  }

  /** Never rejects: what could not be written is written again when the broker is back. */
  async #put(taskId: string, entries: readonly Entry[]): Promise<void> {
    const { broker, log } = this.#options;
    try {
      await broker.replaceNumbered({
        stream: transcriptStreamOf(taskId),
        series: entries[0]?.attempt ?? 1,
        after: 0,
        bodies: entries.map(encodeEntry),
      });
      await broker.publish([{ stream: wakeStreamOf(taskId), body: encodeWake(taskId) }]);
    } catch (error) {
      log[error instanceof BrokerUnavailable ? "debug" : "error"](
        { err: error, taskId },
        "approval not told",
      );
    }
  }
}

function entriesOf(
  { promptId, attempt, text, choices, openedAt }: Prompt,
  answer: Answer | undefined,
): Entry[] {
  const question = create(EntrySchema, {
    attempt,
    seq: 1,
    at: timestampFromDate(openedAt),
    body: { case: "prompt", value: { promptId, text, password: false, choices: [...choices] } },
  });
  if (answer === undefined) return [question];
  const { answer: said = "", answeredBy, at } = answer;
  const told = create(EntrySchema, {
    attempt,
    seq: 2,
    at: timestampFromDate(at),
    body: { case: "answer", value: { promptId, text: said, password: false, answeredBy } },
  });
  return [question, told];
}
