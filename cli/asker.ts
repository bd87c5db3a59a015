/** A question to whoever sits before the program. */
export interface Question {
  /** May be empty and of many lines. */
  readonly text: string;
  /** Whether the answer must not be seen. */
  readonly secret: boolean;
}

/** What came of a question. */
export type Answer =
  | { readonly kind: "answer"; readonly text: string }
  /** There is nobody to answer, and will be nobody. */
  | { readonly kind: "nobody" }
  /** Ctrl-C or Ctrl-D instead of an answer. */
  | { readonly kind: "interrupted" }
  /** The signal aborted. */
  | { readonly kind: "withdrawn" };

/** Gets answers from somewhere. One question at a time. */
export interface Asker extends Disposable {
  /** Whether a person answers, who can be asked other things too. */
  readonly isPerson: boolean;
  /** Asks; ends with "withdrawn" when the signal aborts. */
  readonly ask: (question: Question, signal: AbortSignal) => Promise<Answer>;
}
