import type { TranscriptEvent } from "../sdk/typescript/antiphon.ts";
import { chatLine } from "./chat-message.ts";
import { plainText } from "./plain-text.ts";
import type { Screen } from "./screen.ts";

/** Shows the entries of a transcript: the program's bytes as they are, the rest as lines. */
export class TranscriptPrinter {
  readonly #screen: Screen;
  readonly #raw: boolean;
  readonly #questions = new Map<string, string>();
  #attempt: string | undefined;

  /** `raw`: only what the program wrote, and nothing of ours. */
  constructor(screen: Screen, { raw = false }: { readonly raw?: boolean } = {}) {
    this.#screen = screen;
    this.#raw = raw;
  }

  /** Shows an entry. An answer of our own has been seen already: `isOwnAnswer` tells. */
  async print(
    event: TranscriptEvent,
    isOwnAnswer: (promptId: string) => boolean = () => false,
  ): Promise<void> {
    await this.#tellAttempt(event.cursor);
    if (event.kind === "output" && event.stream !== "system") {
      await (event.stream === "stdout" ? this.#screen.out(event.data) : this.#screen.err(event.data));
      return;
    }
    if (this.#raw) return;
    switch (event.kind) {
      case "output":
        return this.#screen.murmur(Buffer.from(event.data).toString());
      case "message": {
        const line = chatLine(event.value);
        return line === undefined ? undefined : this.#screen.line(line);
      }
      case "progress":
        if (this.#screen.isTerminal) await this.#screen.note(progressLine(event.fraction, event.label));
        return;
      case "artifact":
        return this.#screen.note(`file: ${plainText(event.path)}`);
      case "asked":
        this.#questions.set(event.promptId, event.text);
        return;
      case "answered":
        if (isOwnAnswer(event.promptId)) return;
        return this.#screen.note(this.#answerLine(event));
      case "truncated":
        return this.#screen.note(`the output is longer than ${event.limitBytes} bytes; the rest is dropped`);
      case "lost":
        return this.#screen.note(`${event.count} entries of the transcript are lost for good`);
    }
  }

  /** A new attempt begins anew, and what it writes would look doubled. */
  async #tellAttempt(cursor: string): Promise<void> {
    const [attempt] = cursor.split("-", 1);
    const isNew = this.#attempt !== undefined && this.#attempt !== attempt;
    this.#attempt = attempt;
    if (isNew && !this.#raw) await this.#screen.note(`attempt ${attempt} begins`);
  }

  #answerLine({ promptId, text, password, by }: TranscriptEvent & { readonly kind: "answered" }): string {
    const question = plainText(this.#questions.get(promptId) ?? "").trimEnd();
    if (by === "") return `${question}  (nobody answered in time)`.trimStart();
    const answer = password ? "(secret)" : plainText(text);
    return `${question} ${answer}  (answered by ${plainText(by)})`.trimStart();
  }
}

function progressLine(fraction: number, label: string): string {
  const percent = `${Math.round(fraction * 100)} %`;
  return label === "" ? percent : `${percent} ${plainText(label)}`;
}
