/*
 * What is said between whoever sits before the command and what it watches.
 *
 *   S1. One loop owns whoever answers; it asks one question at a time, in the
 *       order they came; one whose answer is refused is asked again before the
 *       next. What is shown meanwhile does not wait for it.
 *   S2. A question that somebody else answers is withdrawn at once.
 *   S3. A person's first Ctrl-C asks what to do, the second asks for the end and
 *       leaves without waiting; Ctrl-D instead of an answer leaves, and all goes
 *       on. A script's first Ctrl-C leaves, and all goes on.
 *   S4. However it ends, `left` aborts.
 */
import { refusalOf } from "../sdk/typescript/antiphon.ts";
import type { Asker } from "./asker.ts";
import { plainText } from "./plain-text.ts";
import type { Screen } from "./screen.ts";

/** A question that waits for an answer. */
export interface Put {
  /** Unique in the conversation. */
  readonly id: string;
  readonly text: string;
  readonly secret: boolean;
  /** Rejects when the answer was not taken. */
  readonly reply: (answer: string) => Promise<void>;
  /** Whether it is to be put again after such a rejection; when unset it is not. */
  readonly mayAgain?: (error: unknown) => boolean;
}

/** How a user leaves before the end. */
export type Departure =
  /** The user chose to let it go on. */
  | { readonly kind: "detached" }
  /** A question is open and there is nobody to answer. */
  | { readonly kind: "unanswered"; readonly text: string }
  /** Without having been asked; `cancelled` says whether the end was asked for before. */
  | { readonly kind: "interrupted"; readonly cancelled: boolean };

export interface ConversationOptions {
  readonly asker: Asker;
  readonly screen: Screen;
  /** What it is about. */
  readonly subject: "task" | "run";
  /** Asks for the end of it. */
  readonly cancel: () => Promise<void>;
}

/** How long leaving waits for the request to cancel to get through. */
const cancelWithinMs = 2_000;

export class Conversation {
  readonly #options: ConversationOptions;
  readonly #left = new AbortController();
  readonly #questions = new Map<string, Put>();
  readonly #answered = new Set<string>();
  /** Aborts when whoever is being asked must attend to something else. */
  #attention = new AbortController();
  #bell = Promise.withResolvers<void>();
  #isInterrupted = false;
  #isCancelling = false;
  #departure: Departure | undefined;

  constructor(options: ConversationOptions) {
    this.#options = options;
  }

  /** Aborts when the user leaves, or `end` is called. */
  get left(): AbortSignal {
    return this.#left.signal;
  }

  /** How the user left; undefined when they did not. */
  get departure(): Departure | undefined {
    return this.#departure;
  }

  /** Puts a question when those before it are answered; one that was put already, or answered here, is not put again. */
  put(question: Put): void {
    if (this.#answered.has(question.id)) return;
    this.#questions.set(question.id, question);
    this.#ring();
  }

  /** Takes a question back; false when it was not open here. */
  withdraw(id: string): boolean {
    const wasOpen = this.#questions.delete(id);
    if (wasOpen) this.#turn();
    return wasOpen;
  }

  /** Whether a question was answered here. */
  hasAnswered(id: string): boolean {
    return this.#answered.has(id);
  }

  /** To be called for each Ctrl-C. */
  readonly interrupt = (): void => {
    if (!this.#options.asker.isPerson) this.leave();
    else if (this.#isInterrupted || this.#isCancelling) void this.#leaveInHurry();
    else {
      this.#isInterrupted = true;
      this.#turn();
    }
  };

  /** To be called when this process is to end: leaves, and all goes on. */
  readonly leave = (): void => this.#leave({ kind: "interrupted", cancelled: false });

  /** Ends it because there is nothing more to talk about. */
  end(): void {
    this.#left.abort();
    this.#turn();
  }

  /** Asks what is put until the conversation ends. */
  async run(): Promise<void> {
    while (!this.#left.signal.aborted) {
      const bell = this.#bell.promise;
      this.#attention = new AbortController();
      const [question] = this.#questions.values();
      if (this.#isInterrupted) await this.#askWhatToDo();
      else if (question === undefined) await bell;
      else await this.#ask(question);
    }
  }

  async #ask(question: Put): Promise<void> {
    const { asker } = this.#options;
    const answer = await asker.ask(question, this.#attention.signal);
    if (answer.kind === "interrupted") this.#isInterrupted = true;
    if (answer.kind === "nobody") {
      this.#leave(asker.isPerson ? { kind: "detached" } : { kind: "unanswered", text: question.text });
    }
    if (answer.kind !== "answer") return;
    this.#questions.delete(question.id);
    this.#answered.add(question.id);
    const taken = question.reply(answer.text).catch((error: unknown) => this.#notTaken(question, error));
    // The confirmation may take as long as an outage; Ctrl-C must not wait for it.
    await Promise.race([taken, aborted(this.#attention.signal)]);
  }

  async #notTaken(question: Put, error: unknown): Promise<void> {
    this.#answered.delete(question.id);
    if (this.#left.signal.aborted) return;
    const { message, faults } = refusalOf(error);
    const why = faults[0]?.message ?? message;
    await this.#options.screen.note(`the answer was not taken: ${plainText(why)}`);
    if (question.mayAgain?.(error) === true) this.#putFirst(question);
  }

  /** Puts a question before those that wait (S1). */
  #putFirst(question: Put): void {
    const waiting = [...this.#questions];
    this.#questions.clear();
    for (const [id, each] of [[question.id, question] as const, ...waiting]) this.#questions.set(id, each);
    this.#ring();
  }

  async #askWhatToDo(): Promise<void> {
    const { asker, screen, subject } = this.#options;
    const text = `[c]ancel the ${subject}, [d]etach and let it go on, or Enter to stay: `;
    const answer = await asker.ask({ text, secret: false }, this.#attention.signal);
    if (answer.kind === "interrupted") return this.#leaveInHurry();
    if (answer.kind === "nobody") return this.#leave({ kind: "detached" });
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

  #leave(departure: Departure): void {
    if (!this.#left.signal.aborted) this.#departure ??= departure;
    this.end();
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
