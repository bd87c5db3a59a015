/*
 * Which questions of a task to put to the user, and when.
 *
 * News of a question (a snapshot, or that it opened) and its place in the
 * transcript come separately and in either order.
 *
 *   Q1. A question is put when it is open and its place in the transcript has
 *       come, so that what the program wrote before it is seen before it.
 *   Q2. Its place does not come to a watch that begins after it: then it is put
 *       when nothing has come for a while (`putUnplaced`).
 *   Q3. It is put once, also when the watch is taken up again; and again only
 *       when its answer got lost.
 */
import type { Prompt } from "../../gen/antiphon/scheduler/v1/task_pb.ts";

/** What follows for the user from a piece of news. */
export type QuestionNews =
  | { readonly kind: "put"; readonly prompt: Prompt }
  | { readonly kind: "closed"; readonly promptId: string };

/** The questions of one task, as one watch of it knows them. */
export class OpenQuestions {
  readonly #open = new Map<string, Prompt>();
  readonly #placed = new Set<string>();
  readonly #put = new Set<string>();

  /** Whether an open question was not put, because its place in the transcript has not come. */
  get hasUnplaced(): boolean {
    return this.#unput().length > 0;
  }

  /** These are open, and no others. */
  snapshot(prompts: readonly Prompt[]): QuestionNews[] {
    const open = new Set(prompts.map(({ promptId }) => promptId));
    const gone = [...this.#open.keys()].filter((promptId) => !open.has(promptId));
    return [
      ...gone.flatMap((promptId) => this.closed(promptId)),
      ...prompts.flatMap((prompt) => this.opened(prompt)),
    ];
  }

  /** It is open. */
  opened(prompt: Prompt): QuestionNews[] {
    this.#open.set(prompt.promptId, prompt);
    return this.#due(prompt.promptId);
  }

  /** Its place in the transcript has come. */
  placed(promptId: string): QuestionNews[] {
    this.#placed.add(promptId);
    return this.#due(promptId);
  }

  /** It waits no more. */
  closed(promptId: string): QuestionNews[] {
    this.#open.delete(promptId);
    return this.#put.delete(promptId) ? [{ kind: "closed", promptId }] : [];
  }

  /** Its answer got lost. */
  again(promptId: string): QuestionNews[] {
    this.#put.delete(promptId);
    return this.#due(promptId);
  }

  /** Puts every open question, placed or not (Q2). */
  putUnplaced(): QuestionNews[] {
    return this.#unput().flatMap((promptId) => this.placed(promptId));
  }

  #unput(): string[] {
    return [...this.#open.keys()].filter((promptId) => !this.#put.has(promptId));
  }

  #due(promptId: string): QuestionNews[] {
    const prompt = this.#open.get(promptId);
    if (prompt === undefined || !this.#placed.has(promptId) || this.#put.has(promptId)) return [];
    this.#put.add(promptId);
    return [{ kind: "put", prompt }];
  }
}
