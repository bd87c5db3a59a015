/*
 * Asks on a terminal.
 *
 *   T1. A secret answer is never echoed; the terminal is in raw mode only while
 *       a question is open, and out of it on every way the question can end.
 *       (When a signal ends the process, Node restores the terminal.)
 *   T2. Output that comes while a question is open goes by above it.
 *   T3. Lines typed or pasted ahead answer the questions after.
 */
import { openSync } from "node:fs";
import { clearScreenDown, createInterface, cursorTo, type Interface, moveCursor } from "node:readline";
import { Writable } from "node:stream";
import { type ReadStream, WriteStream } from "node:tty";
import type { Answer, Asker, Question } from "./asker.ts";
import { plainText } from "./plain-text.ts";
import type { Screen } from "./screen.ts";

/** Takes what readline would echo of a secret answer. */
const nowhere = new Writable({
  write(_chunk, _encoding, done) {
    done();
  },
});

/** A person at a terminal. */
export class TerminalAsker implements Asker {
  readonly isPerson = true;
  readonly #input: ReadStream;
  readonly #output: WriteStream;
  readonly #screen: Screen;
  readonly #ahead: string[] = [];
  #rest = "";

  /** `stderr` is where questions are put when it is a terminal, else on the terminal itself. */
  constructor(input: ReadStream, stderr: WriteStream, screen: Screen) {
    this.#input = input;
    this.#output = stderr.isTTY ? stderr : new WriteStream(openSync("/dev/tty", "w"));
    this.#screen = screen;
  }

  async ask({ text, secret }: Question, signal: AbortSignal): Promise<Answer> {
    if (signal.aborted) return { kind: "withdrawn" };
    const lines = plainText(text === "" ? "> " : text).split("\n");
    const label = lines.pop() ?? "";
    this.#screen.freshLine();
    for (const line of lines) this.#output.write(`${line}\n`);
    const ahead = this.#ahead.shift();
    if (ahead !== undefined) {
      this.#output.write(`${label}${secret ? "" : ahead}\n`);
      return { kind: "answer", text: ahead };
    }
    return this.#read(label, secret, signal);
  }

  [Symbol.dispose](): void {
    this.#input.pause();
    if (this.#output !== process.stderr) this.#output.destroy();
  }

  #read(label: string, secret: boolean, signal: AbortSignal): Promise<Answer> {
    const reader = createInterface({
      input: this.#input,
      output: secret ? nowhere : this.#output,
      terminal: true,
      historySize: 0,
      prompt: label,
    });
    const showLabel = () => (secret ? void this.#output.write(label) : reader.prompt(true));
    this.#screen.setBottom({ hide: () => this.#erase(reader, label, secret), show: showLabel });
    showLabel();
    if (this.#rest !== "") reader.write(this.#rest);
    this.#rest = "";
    return new Promise((resolve) => {
      const end = (answer: Answer) => {
        signal.removeEventListener("abort", withdraw);
        this.#screen.setBottom(undefined);
        if (secret || answer.kind !== "answer") this.#output.write("\n");
        resolve(answer);
        // What came in the same breath after the answer is still being taken apart.
        queueMicrotask(() => {
          // A draft that was not sent is nobody's answer to the next question, least of all a secret's.
          this.#rest = answer.kind === "answer" ? reader.line : "";
          reader.off("close", interrupted).close();
        });
      };
      const withdraw = () => end({ kind: "withdrawn" });
      const interrupted = () => end({ kind: "interrupted" });
      signal.addEventListener("abort", withdraw, { once: true });
      reader.once("line", (line) => {
        reader.on("line", (later) => this.#ahead.push(later));
        end({ kind: "answer", text: line });
      });
      reader.once("SIGINT", interrupted);
      reader.once("close", interrupted);
    });
  }

  #erase(reader: Interface, label: string, secret: boolean): void {
    const rows = secret
      ? Math.floor(label.length / (this.#output.columns || 80))
      : reader.getCursorPos().rows;
    if (rows > 0) moveCursor(this.#output, 0, -rows);
    cursorTo(this.#output, 0);
    clearScreenDown(this.#output);
  }
}
