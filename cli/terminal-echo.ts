import { Writable } from "node:stream";
import type { WriteStream } from "node:tty";

/** What readline writes, passed on to a terminal only while it is on: so it may read lines all the time and show them when they are asked for. */
export class TerminalEcho extends Writable {
  isOn = false;
  readonly #terminal: WriteStream;
  readonly #resized = () => this.emit("resize");

  constructor(terminal: WriteStream) {
    super({ decodeStrings: false });
    this.#terminal = terminal;
    terminal.on("resize", this.#resized);
  }

  /** As readline asks for it. */
  get columns(): number {
    return this.#terminal.columns;
  }

  override _write(chunk: string | Buffer, _encoding: BufferEncoding, done: () => void): void {
    if (this.isOn) this.#terminal.write(chunk);
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#terminal.off("resize", this.#resized);
    done(error);
  }
}
