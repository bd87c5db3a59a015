/*
 * The questions of one attempt.
 *
 *   P1. A question enters the transcript only when its report is confirmed, so
 *       nobody can answer what history does not know.
 *   P2. The first answer that arrives is handed over; others, and repeats, change
 *       nothing.
 *   P3. A secret answer is opened here, handed over, and stands nowhere. Its
 *       receipt is reported once; whoever sends another answer meanwhile gets the
 *       same receipt again.
 */
import { randomUUID } from "node:crypto";
import type { Answered, Report } from "../../gen/antiphon/worker/v1/assignment_pb.ts";
import { boundedText } from "./bounded-text.ts";
import type { TranscriptWriter } from "./transcript-writer.ts";

/** The contract's bound on a question, in bytes. */
const maxTextBytes = 16_384;

export interface Question {
  readonly text: string;
  /** Whether the answer is secret. */
  readonly password: boolean;
}

export interface PromptsOf {
  /** Reports a fact about the attempt; answers the number of the report. */
  readonly report: (fact: Report["fact"]) => number;
  /** Sends the reports that are not confirmed again, at once. */
  readonly repeatReports: () => void;
  readonly transcript: Pick<TranscriptWriter, "sayUrgently">;
  /** Opens an answer that was sealed to the attempt's key; undefined when it was not. */
  readonly openSealed: (sealed: Uint8Array, promptId: string) => string | undefined;
}

interface OpenPrompt {
  readonly question: Question;
  readonly reportNumber: number;
  /** Whether it stands in the transcript. */
  isTold: boolean;
  readonly settle: (answer: string | undefined) => void;
}

export class Prompts {
  readonly #of: PromptsOf;
  readonly #open = new Map<string, OpenPrompt>();
  #isClosed = false;

  constructor(of: PromptsOf) {
    this.#of = of;
  }

  /** The prompts whose answers have not arrived, oldest first. */
  get openIds(): string[] {
    return [...this.#open.keys()];
  }

  /** Asks; resolves with the answer, or with undefined when the attempt must end first. */
  async ask({ text, password }: Question): Promise<string | undefined> {
    if (this.#isClosed) return undefined;
    const question = { text: boundedText(text, maxTextBytes), password };
    const promptId = randomUUID();
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    const reportNumber = this.#of.report({
      case: "promptOpened",
      value: { $typeName: "antiphon.worker.v1.PromptOpened", promptId, ...question },
    });
    this.#open.set(promptId, { question, reportNumber, isTold: false, settle: resolve });
    return await promise;
  }

  /** To be told up to which number the attempt's reports are committed. */
  confirmed(upTo: number): void {
    for (const [promptId, prompt] of this.#open)
      if (prompt.reportNumber <= upTo) this.#tell(promptId, prompt);
  }

  /** Takes an answer. That there is one shows that the question is committed. */
  answered({ promptId, answeredBy, requestId, answer }: Answered): void {
    const prompt = this.#open.get(promptId);
    if (prompt === undefined) {
      if (answer.case === "sealed") this.#of.repeatReports();
      return;
    }
    const text = answer.case === "sealed" ? this.#of.openSealed(answer.value, promptId) : answer.value;
    if (text === undefined) return;
    this.#open.delete(promptId);
    this.#tell(promptId, prompt);
    const isSecret = answer.case === "sealed" || prompt.question.password;
    this.#of.transcript.sayUrgently(
      {
        case: "answer",
        value: {
          $typeName: "antiphon.taskio.v1.AnswerHandedOver",
          promptId,
          text: isSecret ? "" : text,
          password: isSecret,
          answeredBy,
        },
      },
      isSecret ? 0 : text.length,
    );
    prompt.settle(text);
    if (answer.case !== "sealed") return;
    this.#of.report({
      case: "sealedAnswerReceived",
      value: { $typeName: "antiphon.worker.v1.SealedAnswerReceived", promptId, answeredBy, requestId },
    });
  }

  /** Closes all questions without an answer, also those to come. */
  close(): void {
    this.#isClosed = true;
    for (const { settle } of this.#open.values()) settle(undefined);
    this.#open.clear();
  }

  #tell(promptId: string, prompt: OpenPrompt): void {
    if (prompt.isTold) return;
    prompt.isTold = true;
    const { question } = prompt;
    this.#of.transcript.sayUrgently(
      {
        case: "prompt",
        value: { $typeName: "antiphon.taskio.v1.PromptAsked", promptId, ...question, choices: [] },
      },
      question.text.length,
    );
  }
}
