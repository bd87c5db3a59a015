import { createInterface } from "node:readline";
import type { Answer, Asker, Question } from "./asker.ts";
import { plainText } from "./plain-text.ts";
import type { Screen } from "./screen.ts";

/** Takes answers from a pipe or file, a line each; reads nothing before the first question. */
export class PipedAsker implements Asker {
  readonly isPerson = false;
  readonly #input: NodeJS.ReadableStream;
  readonly #screen: Screen;
  #lines: AsyncIterator<string> | undefined;
  #next: Promise<IteratorResult<string>> | undefined;

  constructor(input: NodeJS.ReadableStream, screen: Screen) {
    this.#input = input;
    this.#screen = screen;
  }

  async ask({ text }: Question, signal: AbortSignal): Promise<Answer> {
    await this.#screen.note(plainText(text).trimEnd());
    this.#lines ??= createInterface({ input: this.#input, crlfDelay: Number.POSITIVE_INFINITY })[
      Symbol.asyncIterator
    ]();
    // A line that was waited for when a question was withdrawn is for the next one.
    this.#next ??= this.#lines.next();
    const withdrawn = Promise.withResolvers<"withdrawn">();
    const withdraw = () => withdrawn.resolve("withdrawn");
    signal.addEventListener("abort", withdraw, { once: true });
    if (signal.aborted) withdraw();
    const first = await Promise.race([this.#next, withdrawn.promise]);
    signal.removeEventListener("abort", withdraw);
    if (first === "withdrawn") return { kind: "withdrawn" };
    if (first.done === true) return { kind: "nobody" };
    this.#next = undefined;
    return { kind: "answer", text: first.value };
  }

  [Symbol.dispose](): void {
    this.#input.pause();
    if ("destroy" in this.#input && typeof this.#input.destroy === "function") this.#input.destroy();
  }
}
