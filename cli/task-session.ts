/*
 * A task before a person or a script: its output goes by, its questions are
 * asked, and Ctrl-C is understood.
 *
 *   S1. One loop (`#converse`) owns whoever answers; it asks one question at a
 *       time, in the order they came. Output does not wait for it.
 *   S2. A question that somebody else answers is withdrawn at once.
 *   S3. A person's first Ctrl-C asks what to do, the second asks for the end of
 *       the task and leaves without waiting. A script's first Ctrl-C leaves, and
 *       the task goes on.
 *   S4. However the session ends, the watch is left and the terminal restored.
 */
import type { Failure, TaskState } from "../gen/antiphon/scheduler/v1/task_pb.ts";
import type { Attachment, PromptEvent, TaskEvent } from "../sdk/typescript/antiphon.ts";
import type { Asker } from "./asker.ts";
import { plainText } from "./plain-text.ts";
import type { Screen } from "./screen.ts";
import { stateWord } from "./state-word.ts";
import { TranscriptPrinter } from "./transcript-printer.ts";

/** How a session ended. */
export type SessionEnd =
  | { readonly kind: "ended"; readonly state: TaskState; readonly failure: Failure | undefined }
  /** The user chose to leave and let the task go on. */
  | { readonly kind: "detached" }
  /** The task asks and there is nobody to answer. */
  | { readonly kind: "unanswered"; readonly text: string }
  /** Left without having been asked; `cancelled` says whether the end of the task was asked for before. */
  | { readonly kind: "interrupted"; readonly cancelled: boolean };

export interface SessionOptions {
  /** Watches the task; its signal must be `left`. */
  readonly attach: (left: AbortSignal) => Attachment;
  readonly asker: Asker;
  readonly screen: Screen;
  /** Asks for the end of the task. */
  readonly cancel: () => Promise<void>;
}

/** How long leaving waits for the request to cancel to get through. */
const cancelWithinMs = 2_000;

/** One task, watched to its end or until the user has had enough. */
export class TaskSession {
  readonly #options: SessionOptions;
  readonly #printer: TranscriptPrinter;
  readonly #left = new AbortController();
  readonly #questions = new Map<string, PromptEvent>();
  readonly #answered = new Set<string>();
  /** Aborts when whoever is being asked must attend to something else. */
  #attention = new AbortController();
  #bell = Promise.withResolvers<void>();
  #isInterrupted = false;
  #isCancelling = false;
  #end: SessionEnd | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#printer = new TranscriptPrinter(options.screen);
  }

  /** Shows the task until its end. Throws what ends the watch for good: the task is not found, the server stays away. */
  async run(): Promise<SessionEnd> {
    const conversing = this.#converse().catch((error: unknown) => {
      this.#failure = { error };
      this.#left.abort();
    });
    try {
      for await (const event of this.#options.attach(this.#left.signal)) await this.#on(event);
    } catch (error) {
      if (!this.#left.signal.aborted) throw error;
    } finally {
      this.#left.abort();
      this.#turn();
      await conversing;
    }
    if (this.#failure !== undefined) throw this.#failure.error;
    return this.#end ?? { kind: "interrupted", cancelled: false };
  }

  /** To be called when this process is to end: leaves, and the task goes on. */
  readonly leave = (): void => this.#leave({ kind: "interrupted", cancelled: false });

  /** To be called for each Ctrl-C. */
  readonly interrupt = (): void => {
    if (!this.#options.asker.isPerson) this.leave();
    else if (this.#isInterrupted || this.#isCancelling) void this.#leaveInHurry();
    else {
      this.#isInterrupted = true;
      this.#turn();
    }
  };

  async #on(event: TaskEvent): Promise<void> {
    const { screen } = this.#options;
    switch (event.kind) {
      case "prompt":
        this.#questions.set(event.promptId, event);
        this.#ring();
        return;
      case "prompt_closed":
        if (this.#questions.delete(event.promptId)) {
          this.#turn();
          await screen.note(
            event.answeredBy === "" ? "answered elsewhere" : `answered by ${plainText(event.answeredBy)}`,
          );
        }
        return;
      case "state":
        if (screen.isTerminal && worthTelling.has(stateWord(event.state))) {
          await screen.note(
            `${stateWord(event.state)}${event.attempt > 1 ? ` (attempt ${event.attempt})` : ""}`,
          );
        }
        return;
      case "reconnecting":
        return screen.note("the connection is lost; reconnecting");
      case "reconnected":
        return screen.note("connected again");
      case "end":
        this.#end = { kind: "ended", state: event.state, failure: event.failure };
        return;
      default:
        await this.#printer.print(event, (promptId) => this.#answered.has(promptId));
    }
  }

  async #converse(): Promise<void> {
    while (!this.#left.signal.aborted) {
      const bell = this.#bell.promise;
      this.#attention = new AbortController();
      const [question] = this.#questions.values();
      if (this.#isInterrupted) await this.#askWhatToDo();
      else if (question === undefined) await bell;
      else await this.#ask(question);
    }
  }

  async #ask(question: PromptEvent): Promise<void> {
    const { asker } = this.#options;
    const answer = await asker.ask(
      { text: question.text, secret: question.password },
      this.#attention.signal,
    );
    if (answer.kind === "interrupted") this.#isInterrupted = true;
    if (answer.kind === "nobody") this.#leave({ kind: "unanswered", text: question.text });
    if (answer.kind !== "answer") return;
    this.#questions.delete(question.promptId);
    this.#answered.add(question.promptId);
    const taken = question.reply(answer.text).catch((error: unknown) => this.#notTaken(question, error));
    // The confirmation may take as long as an outage; Ctrl-C must not wait for it.
    await Promise.race([taken, aborted(this.#attention.signal)]);
  }

  async #notTaken({ promptId }: PromptEvent, error: unknown): Promise<void> {
    this.#answered.delete(promptId);
    if (this.#left.signal.aborted) return;
    await this.#options.screen.note(`the answer was not taken: ${plainText((error as Error).message)}`);
  }

  async #askWhatToDo(): Promise<void> {
    const { asker, screen } = this.#options;
    const text = "[c]ancel the task, [d]etach and let it go on, or Enter to stay: ";
    const answer = await asker.ask({ text, secret: false }, this.#attention.signal);
    if (answer.kind === "interrupted") return this.#leaveInHurry();
    this.#isInterrupted = false;
    if (answer.kind !== "answer") return;
    const choice = answer.text.trim().toLowerCase();
    if (choice.startsWith("d")) this.#leave({ kind: "detached" });
    if (!choice.startsWith("c")) return;
    this.#isCancelling = true;
    await this.#options.cancel();
    await screen.note("cancelling; Ctrl-C again leaves without waiting");
  }

  async #leaveInHurry(): Promise<void> {
    if (this.#left.signal.aborted) return;
    const tooLong = new Promise<void>((resolve) => setTimeout(resolve, cancelWithinMs).unref());
    // Whether it got through can not be told any more; the user wants to go.
    if (!this.#isCancelling) await Promise.race([this.#options.cancel().catch(() => undefined), tooLong]);
    this.#leave({ kind: "interrupted", cancelled: true });
  }

  #leave(end: SessionEnd): void {
    this.#end ??= end;
    this.#left.abort();
    this.#turn();
  }

  /** Takes whoever is being asked away from the question. */
  #turn(): void {
    this.#attention.abort();
    this.#ring();
  }

  #ring(): void {
    const { resolve } = this.#bell;
    this.#bell = Promise.withResolvers<void>();
    resolve();
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

/** States in which nothing is to be seen of the task itself. */
const worthTelling = new Set(["queued", "starting"]);
