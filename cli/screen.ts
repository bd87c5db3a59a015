import type { WriteStream } from "node:tty";
import pc from "picocolors";

/** What stays at the bottom of a terminal while output goes by above it: a question, a tree. */
export interface BottomLine {
  readonly hide: () => void;
  readonly show: () => void;
}

type Output = NodeJS.WritableStream & Partial<Pick<WriteStream, "isTTY" | "columns" | "rows">>;

export interface ScreenOptions {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: NodeJS.ProcessEnv;
  /** Puts data where chatter goes, because something else has standard output to itself. */
  readonly dataToStderr?: boolean;
}

/**
 * Where a command writes: data to standard output, chatter to standard error,
 * each write waiting until the reader has room. On a terminal chatter starts on
 * a line of its own and is dimmed.
 */
export class Screen {
  readonly #stdout: Output;
  readonly #stderr: Output;
  readonly #dimmed: (text: string) => string;
  readonly colors: ReturnType<typeof pc.createColors>;
  readonly #bottoms: BottomLine[] = [];
  #isMidLine = false;

  constructor({ stdout, stderr, env, dataToStderr = false }: ScreenOptions) {
    this.#stdout = dataToStderr ? stderr : stdout;
    this.#stderr = stderr;
    this.colors = pc.createColors(isColored(this.#stdout, env));
    this.#dimmed = pc.createColors(isColored(stderr, env)).dim;
  }

  /** Whether chatter is read by a person at this moment. */
  get isTerminal(): boolean {
    return this.#stderr.isTTY === true;
  }

  /** Whether data is read by a person at this moment. */
  get showsData(): boolean {
    return this.#stdout.isTTY === true;
  }

  /** The width and height of the terminal that data goes to; 80 × 24 when it is none. */
  get size(): { readonly columns: number; readonly rows: number } {
    return { columns: this.#stdout.columns ?? 80, rows: this.#stdout.rows ?? 24 };
  }

  /** Writes data, exactly. */
  out(data: Uint8Array | string): Promise<void> {
    return this.#write(this.#stdout, data);
  }

  /** Writes what is beside the data, exactly. */
  err(data: Uint8Array | string): Promise<void> {
    return this.#write(this.#stderr, data);
  }

  /** Writes a line of data. */
  line(text: string): Promise<void> {
    return this.out(`${this.#break(this.#stdout)}${text}\n`);
  }

  /** Writes a line of chatter. */
  note(text: string): Promise<void> {
    return this.err(`${this.#break(this.#stderr)}${this.#dimmed(text)}\n`);
  }

  /** Writes text as chatter without a line break of its own. */
  murmur(text: string): Promise<void> {
    return this.err(this.#dimmed(text));
  }

  /** Writes a question with its answer as it was asked. */
  ask(text: string): Promise<void> {
    return this.err(`${this.#break(this.#stderr)}${text}\n`);
  }

  /** Shows something at the bottom, below what is there. What it answers takes it away again and leaves it to its owner to erase it. */
  addBottom(bottom: BottomLine): () => void {
    if (this.isTerminal && this.#isMidLine) this.#stderr.write("\n");
    this.#isMidLine = false;
    this.#bottoms.push(bottom);
    bottom.show();
    return () => {
      this.#bottoms.splice(this.#bottoms.indexOf(bottom), 1);
    };
  }

  /** Changes what is at the bottom, all of which is drawn anew. */
  change(apply: () => void): void {
    for (const bottom of this.#bottoms.toReversed()) bottom.hide();
    apply();
    for (const bottom of this.#bottoms) bottom.show();
  }

  /** Writes to the terminal that data goes to, past everything that is at the bottom: for what is there itself. */
  paint(text: string): void {
    this.#stdout.write(text);
  }

  #break(target: Output): string {
    return target.isTTY === true && this.#isMidLine ? "\n" : "";
  }

  async #write(target: Output, data: Uint8Array | string): Promise<void> {
    if (data.length === 0) return;
    for (const bottom of this.#bottoms.toReversed()) bottom.hide();
    const hasRoom = target.write(data);
    if (target.isTTY === true) this.#isMidLine = !endsLine(data);
    if (this.#bottoms.length > 0) {
      if (this.isTerminal && this.#isMidLine) this.#stderr.write("\n");
      this.#isMidLine = false;
      for (const bottom of this.#bottoms) bottom.show();
    }
    if (!hasRoom) await new Promise<void>((resolve) => target.once("drain", resolve));
  }
}

function endsLine(data: Uint8Array | string): boolean {
  return typeof data === "string" ? data.endsWith("\n") : data.at(-1) === 10;
}

/** https://no-color.org: colours only for a terminal, never when NO_COLOR says something. */
function isColored({ isTTY }: Output, { NO_COLOR, FORCE_COLOR, TERM }: NodeJS.ProcessEnv): boolean {
  if (NO_COLOR !== undefined && NO_COLOR !== "") return false;
  return (FORCE_COLOR !== undefined && FORCE_COLOR !== "0") || (isTTY === true && TERM !== "dumb");
}
