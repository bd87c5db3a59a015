import { randomUUID } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { createRouterTransport, type Transport } from "@connectrpc/connect";
import {
  type AnswerPromptRequest,
  type TaskIOState,
  TaskIOStateSchema,
  TaskStateService,
} from "../../../gen/antiphon/internal/v1/task_state_service_pb.ts";
import { TaskState } from "../../../gen/antiphon/scheduler/v1/task_pb.ts";
import type { Broker } from "../../../lib/broker/broker.ts";
import { toConnectError } from "../../../lib/rpc/to-connect-error.ts";
import { encodeWake, wakeStreamOf } from "../../../lib/streams/wake-stream.ts";

/** Keeps tasks as the scheduler would, changed by the test. Every change is a fact more and wakes taskio. */
export class FakeScheduler {
  readonly transport: Transport;
  /** Answers as they came, in order. */
  readonly answers: AnswerPromptRequest[] = [];
  /** How often it was asked for states, and how many it answered. */
  calls = 0;
  statesAnswered = 0;
  /** What the next answer is refused with. */
  readonly refusals: unknown[] = [];
  /** Called before an answer is looked at. */
  onAnswer: (request: AnswerPromptRequest) => void = () => undefined;
  readonly #tasks = new Map<string, TaskIOState>();
  readonly #broker: Pick<Broker, "publish">;

  constructor(broker: Pick<Broker, "publish">) {
    this.#broker = broker;
    this.transport = createRouterTransport(({ service }) => {
      service(TaskStateService, {
        getTaskStates: ({ taskIds, knownRunSeqs }) => {
          this.calls += 1;
          const tasks = taskIds.flatMap((taskId) => this.#tasks.get(taskId) ?? []);
          const newer = tasks.filter(({ taskId, runSeq }) => runSeq > (knownRunSeqs[taskId] ?? 0));
          this.statesAnswered += newer.length;
          return { tasks: newer };
        },
        answerPrompt: (request) => {
          this.onAnswer(request);
          this.answers.push(request);
          const refusal = this.refusals.shift();
          if (refusal !== undefined) throw toConnectError(refusal);
          return {};
        },
      });
    });
  }

  /** A new running task of alice's, in its first attempt. */
  task(clientId = "alice"): string {
    const taskId = randomUUID();
    this.#tasks.set(
      taskId,
      create(TaskIOStateSchema, { taskId, clientId, state: TaskState.RUNNING, attempt: 1, runSeq: 1 }),
    );
    return taskId;
  }

  /** Knows a task no more: its run was deleted. */
  remove(taskId: string): void {
    this.#tasks.delete(taskId);
  }

  /** Changes a task by a copy, and wakes. */
  async change(taskId: string, change: (state: TaskIOState) => void): Promise<void> {
    const known = this.#tasks.get(taskId);
    if (known === undefined) throw new Error(`no task ${taskId}`);
    const state = structuredClone(known);
    change(state);
    state.runSeq += 1;
    this.#tasks.set(taskId, state);
    await this.#broker
      .publish([{ stream: wakeStreamOf(taskId), body: encodeWake(taskId) }])
      .catch(() => undefined);
  }

  /** Replaces the key of a task's worker, without a wake. */
  setSealKey(taskId: string, sealKey: Uint8Array): void {
    const known = this.#tasks.get(taskId);
    if (known !== undefined) this.#tasks.set(taskId, { ...known, sealKey: Uint8Array.from(sealKey) });
  }

  /** Ends a task; `lastSeq` of its latest attempt as a worker reports it, undefined when the worker was lost. */
  async end(
    taskId: string,
    lastSeq: number | undefined,
    final: TaskState = TaskState.COMPLETED,
  ): Promise<void> {
    await this.change(taskId, (state) => {
      state.state = final;
      if (lastSeq !== undefined) state.lastSeqs[state.attempt] = lastSeq;
      for (const prompt of state.prompts) prompt.closed = true;
    });
  }

  /** Opens the next attempt. */
  async retry(taskId: string, lastSeq?: number): Promise<void> {
    await this.change(taskId, (state) => {
      if (lastSeq !== undefined) state.lastSeqs[state.attempt] = lastSeq;
      state.attempt += 1;
    });
  }
}
