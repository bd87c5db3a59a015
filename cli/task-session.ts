import type { Failure, TaskState } from "../gen/antiphon/scheduler/v1/task_pb.ts";
import { AnswerRefused, type Attachment, type TaskEvent } from "../sdk/typescript/antiphon.ts";
import type { Asker } from "./asker.ts";
import { Conversation, type Departure } from "./conversation.ts";
import { plainText } from "./plain-text.ts";
import { questionText } from "./question-text.ts";
import type { Screen } from "./screen.ts";
import { stateWord } from "./state-word.ts";
import { TranscriptPrinter } from "./transcript-printer.ts";

/** How a session ended. */
export type SessionEnd =
  | { readonly kind: "ended"; readonly state: TaskState; readonly failure: Failure | undefined }
  | Departure;

export interface SessionOptions {
  /** Watches the task; its signal must be `left`. */
  readonly attach: (left: AbortSignal) => Attachment;
  readonly asker: Asker;
  readonly screen: Screen;
  /** Asks for the end of the task. */
  readonly cancel: () => Promise<void>;
}

/** One task before a person or a script, watched to its end or until they have had enough: its output goes by, its questions are asked. */
export class TaskSession {
  readonly #options: SessionOptions;
  readonly #printer: TranscriptPrinter;
  readonly #conversation: Conversation;
  #end: SessionEnd | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#printer = new TranscriptPrinter(options.screen);
    this.#conversation = new Conversation({ ...options, subject: "task" });
  }

  /** To be called for each Ctrl-C. */
  get interrupt(): () => void {
    return this.#conversation.interrupt;
  }

  /** To be called when this process is to end: leaves, and the task goes on. */
  get leave(): () => void {
    return this.#conversation.leave;
  }

  /** Shows the task until its end. Throws what ends the watch for good: the task is not found, the server stays away. */
  async run(): Promise<SessionEnd> {
    const { left } = this.#conversation;
    const conversing = this.#conversation.run().catch((error: unknown) => {
      this.#failure = { error };
      this.#conversation.end();
    });
    try {
      for await (const event of this.#options.attach(left)) await this.#on(event);
    } catch (error) {
      if (!left.aborted) throw error;
    } finally {
      this.#conversation.end();
      await conversing;
    }
    if (this.#failure !== undefined) throw this.#failure.error;
    return this.#end ?? this.#conversation.departure ?? { kind: "interrupted", cancelled: false };
  }

  async #on(event: TaskEvent): Promise<void> {
    const { screen } = this.#options;
    switch (event.kind) {
      case "prompt": {
        const { promptId: id, password: secret, reply } = event;
        this.#conversation.put({ id, text: questionText(event), secret, reply, mayAgain });
        return;
      }
      case "prompt_closed":
        if (!this.#conversation.withdraw(event.promptId)) return;
        if (event.timedOut)
          await screen.note("nobody answered in time; the task goes on with an empty answer");
        if (event.answered) {
          const by = plainText(event.answeredBy);
          await screen.note(by === "" ? "answered elsewhere" : `answered by ${by}`);
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
        await this.#printer.print(event, (promptId) => this.#conversation.hasAnswered(promptId));
    }
  }
}

function mayAgain(error: unknown): boolean {
  return error instanceof AnswerRefused && error.reason !== "PROMPT_CLOSED";
}

/** States in which nothing is to be seen of the task itself. */
const worthTelling = new Set(["queued", "starting"]);
