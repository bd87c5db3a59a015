/*
 * Asks the scheduler for the state of tasks.
 *
 *   T1. At most one call is in flight; what is asked for meanwhile goes into the
 *       next one, each task once, so a busy process asks for many tasks at a time.
 *   T2. An answer was given after its question was asked: nobody is answered from
 *       a call that had begun before.
 *   T3. Whoever knows a state says so. A task of which all who ask in one call
 *       know something is answered only when there is more to know.
 */
import type { TaskIOState } from "../../gen/antiphon/internal/v1/task_state_service_pb.ts";
import { OneAtATime } from "./one-at-a-time.ts";

/** As many as one call takes. */
const maxTasksPerCall = 1_000;

/** The part of the scheduler's TaskStateService that is needed here. */
export interface AsksForStates {
  getTaskStates(
    request: { readonly taskIds: string[]; readonly knownRunSeqs: Record<string, number> },
    options: { readonly timeoutMs: number },
  ): Promise<{ readonly tasks: readonly TaskIOState[] }>;
}

/** A call that is not answered by then fails. */
const timeoutMs = 10_000;

interface Question {
  /** The `run_seq` of the state that is known, 0 when none is. */
  readonly knownSeq: number;
  readonly resolve: (state: TaskIOState | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/** The state of tasks, as history has it when it is asked. */
export class TaskStates {
  readonly #scheduler: AsksForStates;
  #waiting = new Map<string, Question[]>();
  readonly #asking = new OneAtATime(() => this.#askAll(), neverFails);

  constructor(scheduler: AsksForStates) {
    this.#scheduler = scheduler;
  }

  /** The task as it stands, undefined when there is no such task. Rejects when the scheduler does not answer. */
  async ask(taskId: string): Promise<TaskIOState | undefined> {
    return await this.#ask(taskId, 0);
  }

  /** As `ask`, for whoever knows the task as it stood: undefined, too, when its run holds no more facts than that. It may be answered all the same. */
  async askForNewer({
    taskId,
    runSeq,
  }: Pick<TaskIOState, "taskId" | "runSeq">): Promise<TaskIOState | undefined> {
    return await this.#ask(taskId, runSeq);
  }

  async #ask(taskId: string, knownSeq: number): Promise<TaskIOState | undefined> {
    const { promise, resolve, reject } = Promise.withResolvers<TaskIOState | undefined>();
    const question = { knownSeq, resolve, reject };
    const questions = this.#waiting.get(taskId);
    if (questions === undefined) this.#waiting.set(taskId, [question]);
    else questions.push(question);
    this.#asking.ask();
    return await promise;
  }

  async #askAll(): Promise<void> {
    // Whatever else is asked for in the same turn of the event loop goes along.
    await Promise.resolve();
    while (this.#waiting.size > 0) {
      const questions = new Map([...this.#waiting].slice(0, maxTasksPerCall));
      for (const taskId of questions.keys()) this.#waiting.delete(taskId);
      await this.#askOnce(questions);
    }
  }

  async #askOnce(questions: ReadonlyMap<string, readonly Question[]>): Promise<void> {
    const knownRunSeqs: Record<string, number> = {};
    for (const [taskId, asked] of questions) {
      const knownSeq = Math.min(...asked.map((question) => question.knownSeq));
      if (knownSeq > 0) knownRunSeqs[taskId] = knownSeq;
    }
    try {
      const request = { taskIds: [...questions.keys()], knownRunSeqs };
      const { tasks } = await this.#scheduler.getTaskStates(request, { timeoutMs });
      const states = new Map(tasks.map((state) => [state.taskId, state]));
      for (const [taskId, asked] of questions) for (const { resolve } of asked) resolve(states.get(taskId));
    } catch (error) {
      for (const asked of questions.values()) for (const { reject } of asked) reject(error);
    }
  }
}

/** Every question is told its own error. */
function neverFails(error: unknown): never {
  throw error;
}
