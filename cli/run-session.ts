/*
 * Runs before a person or a script, watched to the end of all of them or until
 * they have had enough.
 *
 *   V1. Runs that these start are watched with them, as far as 100 at once go. A
 *       task names its run before there is one, and there may never be one.
 *   V2. A person on a terminal is asked what any task of them asks. A script is
 *       told how it can be answered: which of many questions comes first is
 *       nothing that a script could know.
 *   V3. When nothing comes for a while, it is asked why, and told.
 */

import type { Task } from "../gen/antiphon/scheduler/v1/task_pb.ts";
import { delay } from "../lib/async/delay.ts";
import {
  type Antiphon,
  isFinalTask,
  type RunEvent,
  type RunWatch,
  refusalOf,
} from "../sdk/typescript/antiphon.ts";
import type { Asker } from "./asker.ts";
import { Conversation, type Departure } from "./conversation.ts";
import { plainText } from "./plain-text.ts";
import { questionText } from "./question-text.ts";
import { mayWait, RunBook } from "./run-book.ts";
import { definitionOfRun } from "./run-definition.ts";
import { RunView } from "./run-view.ts";
import type { Screen } from "./screen.ts";

/** After so long without news it is asked what a run waits for; each time that there is nothing new, twice as long. */
const quietMs = 1_500;
const longestQuietMs = 20_000;

export interface RunSessionOptions {
  readonly antiphon: Antiphon;
  readonly runIds: readonly string[];
  readonly screen: Screen;
  readonly asker: Asker;
  /** Asks for the end of the runs. Undefined when it is not the session's to end them: then Ctrl-C leaves. */
  readonly cancel: (() => Promise<void>) | undefined;
  /** Gets the news too. */
  readonly onEvent?: (event: RunEvent) => Promise<void>;
  /** Whether runs are shown; else only `onEvent` tells of them. */
  readonly isShown: boolean;
}

export class RunSession {
  readonly book = new RunBook();
  readonly #options: RunSessionOptions;
  readonly #conversation: Conversation;
  /** Questions that were told or put, by task and prompt. */
  readonly #asked = new Set<string>();
  #lastNewsAt = performance.now();
  #view: RunView | undefined;

  constructor(options: RunSessionOptions) {
    const { asker, screen, cancel = async () => {} } = options;
    this.#options = options;
    this.#conversation = new Conversation({ asker, screen, cancel, subject: "run" });
  }

  /** To be called for each Ctrl-C. */
  get interrupt(): () => void {
    return this.#options.cancel === undefined ? this.leave : this.#conversation.interrupt;
  }

  /** To be called when this process is to end: leaves, and the runs go on. */
  get leave(): () => void {
    return this.#conversation.leave;
  }

  /** Shows the runs until all have ended; answers how the user left, if they did before. Throws what ends the watch for good. */
  async run(): Promise<Departure | undefined> {
    const { screen, isShown } = this.#options;
    const { left } = this.#conversation;
    const failures: unknown[] = [];
    const failed = (error: unknown): void => {
      failures.push(error);
      this.#conversation.end();
    };
    const besides = Promise.all([this.#conversation.run().catch(failed), this.#tellWaits().catch(failed)]);
    await using view = isShown ? new RunView(screen, this.book) : undefined;
    this.#view = view;
    try {
      await this.#watch();
    } catch (error) {
      if (!left.aborted) throw error;
    } finally {
      this.#conversation.end();
      await besides;
    }
    if (failures.length > 0) throw failures[0];
    return this.#conversation.departure;
  }

  async #watch(): Promise<void> {
    const { antiphon, runIds, screen, onEvent } = this.#options;
    const watch = antiphon.watchRuns(runIds, { signal: this.#conversation.left });
    for await (const event of watch) {
      if (event.kind === "reconnecting") await screen.note("the connection is lost; reconnecting");
      else if (event.kind === "reconnected") await screen.note("connected again");
      else {
        this.#lastNewsAt = performance.now();
        const changes = this.book.take(event);
        const booked = this.book.of(event.runId);
        if (event.kind === "snapshot" && booked !== undefined && this.#view !== undefined)
          booked.dag = await definitionOfRun(antiphon, event.run);
        for (const { task } of changes) watchChild(watch, task);
        await this.#view?.show(changes, runIds.length === 1 ? (runIds[0] ?? "") : "");
        await this.#putPrompts();
      }
      await onEvent?.(event);
    }
  }

  /** Puts the questions that are open, and takes back those that are not any more. */
  async #putPrompts(): Promise<void> {
    const { antiphon, asker, screen } = this.#options;
    const open = this.book.openPrompts;
    const ids = new Set(open.map(({ task, prompt }) => `${task.taskId} ${prompt.promptId}`));
    for (const id of this.#asked) {
      if (ids.has(id)) continue;
      this.#asked.delete(id);
      this.#conversation.withdraw(id);
    }
    for (const { task, prompt } of open) {
      const id = `${task.taskId} ${prompt.promptId}`;
      if (this.#asked.has(id)) continue;
      this.#asked.add(id);
      const { taskId } = task;
      const { promptId, password: secret } = prompt;
      const text = `${task.nodeId}: ${questionText(prompt).trimStart() || "> "}`;
      if (asker.isPerson) {
        const reply = async (answer: string) =>
          void (await antiphon.taskio.sendInput({ taskId, promptId, text: answer }));
        const mayAgain = (error: unknown) => refusalOf(error).reason !== "PROMPT_CLOSED";
        this.#conversation.put({ id, text: text.endsWith(" ") ? text : `${text} `, secret, reply, mayAgain });
      } else await screen.note(`${text.trim()}\n  antiphon answer ${taskId} ${promptId} TEXT`);
    }
  }

  /** Tells why a run does not go on (V3). */
  async #tellWaits(): Promise<void> {
    const { left } = this.#conversation;
    let patienceMs = quietMs;
    let newsAt = this.#lastNewsAt;
    while (!left.aborted) {
      await delay(patienceMs, left);
      if (left.aborted) return;
      if (this.#lastNewsAt !== newsAt) patienceMs = quietMs;
      newsAt = this.#lastNewsAt;
      if (performance.now() - newsAt < quietMs) continue;
      const isNew = await this.#askWaits(left);
      patienceMs = isNew ? quietMs : Math.min(patienceMs * 2, longestQuietMs);
    }
  }

  /** Answers whether there was anything new. */
  async #askWaits(signal: AbortSignal): Promise<boolean> {
    const { antiphon, screen } = this.#options;
    let isNew = false;
    for (const { run } of this.book.runs.filter(mayWait)) {
      // What can not be told now will be told later; the watch says when the server is away.
      const answer = await antiphon.scheduler.getRun({ runId: run.runId }, { signal }).catch(() => undefined);
      if (answer?.run === undefined) continue;
      const waits = this.book.learn(answer.run).filter(({ reason }) => reason !== "PROMPT");
      if (waits.length > 0) isNew = true;
      if (screen.showsData || !this.#options.isShown) continue;
      for (const { taskId, message } of waits) {
        const node = taskId.slice(run.runId.length + 1);
        await screen.note(plainText(`${node === "" ? "the run" : node} waits: ${message}`));
      }
    }
    this.#view?.draw();
    return isNew;
  }
}

function watchChild(watch: RunWatch, { childRunId, state }: Task): void {
  if (childRunId === "") return;
  watch.add(childRunId, { mayBeMissing: true });
  if (isFinalTask(state)) watch.giveUp(childRunId);
}
