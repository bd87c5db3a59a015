/*
 * Asks on a terminal.
 *
 *   T1. What is typed is echoed only while a question is open whose answer may be
 *       seen: the terminal is in raw mode from the beginning to the end, however
 *       it ends. (When a signal ends the process, Node restores the terminal.)
 *   T2. Output that comes while a question is open goes by above it.
 *   T3. Lines typed or pasted ahead answer the questions after; what was begun is
 *       the beginning of the next answer. What was begun for a question that is
 *       withdrawn, or given up by Ctrl-C, is nobody's answer.
 *   T4. In the background the terminal is somebody else's: it is taken with the
 *       first question, which stops the process until it is in the foreground.
 */
import { openSync, readFileSync } from "node:fs";
import { clearScreenDown, createInterface, cursorTo, type Interface, moveCursor } from "node:readline";
import { type ReadStream, WriteStream } from "node:tty";
import stringWidth from "string-width";
import type { Answer, Asker, Question } from "./asker.ts";
import { plainText } from "./plain-text.ts";
import type { Screen } from "./screen.ts";
import { TerminalEcho } from "./terminal-echo.ts";

/** A question that is open. */
interface OpenQuestion {
  /** All of its text but the last line. */
  readonly above: readonly string[];
  readonly label: string;
  readonly secret: boolean;
  readonly end: (answer: Answer) => void;
}

/** A person at a terminal. */
export class TerminalAsker implements Asker {
  readonly isPerson = true;
  readonly #input: ReadStream;
  readonly #output: WriteStream;
  readonly #echo: TerminalEcho;
  readonly #screen: Screen;
  readonly #ahead: string[] = [];
  #reader: Interface | undefined;
  #open: OpenQuestion | undefined;

  /** `stderr` is where questions are put when it is a terminal, else on the terminal itself. */
  constructor(input: ReadStream, stderr: WriteStream, screen: Screen) {
    this.#input = input;
    this.#output = stderr.isTTY ? stderr : new WriteStream(openSync("/dev/tty", "w"));
    this.#echo = new TerminalEcho(this.#output);
    this.#screen = screen;
    if (isInForeground()) this.#reader = this.#listen();
  }

  async ask({ text, secret }: Question, signal: AbortSignal): Promise<Answer> {
    if (signal.aborted) return { kind: "withdrawn" };
    const above = plainText(text === "" ? "> " : text).split("\n");
    const label = above.pop() ?? "";
    const ahead = this.#ahead.shift();
    if (ahead !== undefined) {
      await this.#leaveBehind({ above, label, secret }, ahead);
      return { kind: "answer", text: ahead };
    }
    if (this.#input.readableEnded) return { kind: "nobody" };
    this.#reader ??= this.#listen();
    const answered = Promise.withResolvers<Answer>();
    const withdraw = () => answered.resolve({ kind: "withdrawn" });
    signal.addEventListener("abort", withdraw, { once: true });
    const question = { above, label, secret, end: answered.resolve };
    const close = this.#put(question);
    const answer = await answered.promise;
    signal.removeEventListener("abort", withdraw);
    close();
    await this.#leaveBehind(question, answer.kind === "answer" ? answer.text : "");
    return answer;
  }

  [Symbol.dispose](): void {
    const reader = this.#reader;
    this.#reader = undefined;
    reader?.close();
    this.#input.pause();
    this.#echo.destroy();
    if (this.#output !== process.stderr) this.#output.destroy();
  }

  /** Shows a question at the bottom of the screen, until what it answers is called. */
  #put(question: OpenQuestion): () => void {
    this.#open = question;
    const remove = this.#screen.addBottom({
      hide: () => this.#hide(question),
      show: () => this.#show(question),
    });
    return () => {
      // An answered question is closed already, before anything typed after it could be echoed.
      if (this.#open === question) this.#close(question);
      remove();
    };
  }

  #show(question: OpenQuestion): void {
    if (this.#open !== question) return;
    const { above, label, secret } = question;
    for (const line of above) this.#output.write(`${line}\n`);
    if (secret || this.#reader === undefined) return void this.#output.write(label);
    this.#echo.isOn = true;
    this.#reader.setPrompt(label);
    // It would first go up as many rows as its last prompt was high, which is erased.
    Object.assign(this.#reader, { prevRows: 0 });
    this.#reader.prompt(true);
  }

  #hide(question: OpenQuestion): void {
    if (this.#open !== question) return;
    const typed = question.secret ? 0 : (this.#reader?.getCursorPos().rows ?? 0);
    const inLabel = question.secret ? this.#rowsOf(question.label) : typed;
    this.#eraseUp(this.#heightOf(question.above) + inLabel);
  }

  /** Erases the question and what was typed, and stops echoing. */
  #close(question: OpenQuestion): void {
    this.#hide(question);
    this.#open = undefined;
    this.#echo.isOn = false;
    this.#reader?.write(null, { ctrl: true, name: "e" });
    this.#reader?.write(null, { ctrl: true, name: "u" });
  }

  #answered(text: string): void {
    const question = this.#open;
    if (question === undefined) return void this.#ahead.push(text);
    this.#echo.isOn = false;
    this.#open = undefined;
    // Enter was echoed, so the cursor stands below the answer.
    const inLabel = question.secret
      ? this.#rowsOf(question.label)
      : this.#rowsOf(question.label + plainText(text)) + 1;
    this.#eraseUp(this.#heightOf(question.above) + inLabel);
    question.end({ kind: "answer", text });
  }

  /** Leaves the question and what may be seen of its answer to go by above whatever is at the bottom. */
  #leaveBehind(
    { above, label, secret }: Pick<OpenQuestion, "above" | "label" | "secret">,
    answer: string,
  ): Promise<void> {
    return this.#screen.ask(`${[...above, label].join("\n")}${secret ? "" : plainText(answer)}`);
  }

  #listen(): Interface {
    const reader = createInterface({
      input: this.#input,
      output: this.#echo,
      terminal: true,
      historySize: 0,
      prompt: "",
    });
    reader.on("line", (line) => this.#answered(line));
    reader.on("SIGINT", () => {
      if (this.#open === undefined) process.kill(process.pid, "SIGINT");
      else this.#open.end({ kind: "interrupted" });
    });
    reader.on("SIGCONT", () => reader.resume());
    // Ctrl-D on an empty line, or the terminal has gone.
    reader.on("close", () => {
      if (this.#reader !== reader) return;
      this.#reader = undefined;
      if (this.#open !== undefined) this.#open.end({ kind: "nobody" });
      else if (!this.#input.readableEnded) this.#reader = this.#listen();
    });
    return reader;
  }

  #eraseUp(rows: number): void {
    if (rows > 0) moveCursor(this.#output, 0, -rows);
    cursorTo(this.#output, 0);
    clearScreenDown(this.#output);
  }

  /** How many rows a text goes down from where it begins. */
  #rowsOf(text: string): number {
    return Math.floor(stringWidth(text) / (this.#output.columns || 80));
  }

  #heightOf(lines: readonly string[]): number {
    return lines.reduce(
      (rows, line) => rows + Math.max(1, Math.ceil(stringWidth(line) / (this.#output.columns || 80))),
      0,
    );
  }
}

/** Whether the terminal is this process group's. Where that can not be told it is taken to be. */
function isInForeground(): boolean {
  try {
    const [, , group, , , foreground] =
      readFileSync("/proc/self/stat", "utf8").split(") ").at(-1)?.split(" ") ?? [];
    return group === foreground;
  } catch {
    return true;
  }
}
