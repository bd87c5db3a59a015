import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { stripVTControlCharacters } from "node:util";
import { until } from "./until.ts";

const cli = fileURLToPath(new URL("../../cli/antiphon.ts", import.meta.url));
const terminal = fileURLToPath(new URL("terminal.py", import.meta.url));

/** As the launcher starts it. */
const launched = [process.execPath, "--", cli] as const;

/** How long a command may take to show something: it has to start first, on a machine that may be busy. */
const patientlyMs = 50_000;

/** How a command ended. */
export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command of `antiphon` that runs: as a script runs it, or on a terminal. To be disposed of, which kills it. */
export class CommandLine implements Disposable {
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #ended: Promise<number>;
  #stdout = "";
  #stderr = "";

  private constructor(
    command: readonly [string, ...string[]],
    env: NodeJS.ProcessEnv,
    cwd: string | undefined,
  ) {
    const [file, ...options] = command;
    const surroundings = { PATH: process.env["PATH"], HOME: process.env["HOME"], TERM: "xterm", ...env };
    this.#process = spawn(file, options, { env: surroundings, ...(cwd !== undefined && { cwd }) });
    this.#process.stdout.on("data", (chunk: Buffer) => (this.#stdout += chunk.toString()));
    this.#process.stderr.on("data", (chunk: Buffer) => (this.#stderr += chunk.toString()));
    this.#ended = new Promise((resolve) => this.#process.once("close", (code) => resolve(code ?? -1)));
  }

  /** Runs it with pipes. */
  static piped(line: readonly string[], env: NodeJS.ProcessEnv = {}, cwd?: string): CommandLine {
    return new CommandLine([...launched, ...line], env, cwd);
  }

  /** Runs it on a terminal of 100 × 24, which is its standard output and error at once. */
  static onTerminal(line: readonly string[], env: NodeJS.ProcessEnv = {}): CommandLine {
    return new CommandLine(["/usr/bin/python3", terminal, ...launched, ...line], env, undefined);
  }

  /** What it has written to standard output so far: on a terminal everything that is to be seen. */
  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** Types, or writes to its standard input. */
  type(text: string): void {
    this.#process.stdin.write(text);
  }

  /** Waits until standard output has something, whatever commands to the terminal stand in between. */
  async shows(what: string | RegExp, withinMs = patientlyMs): Promise<void> {
    const seen = () => stripVTControlCharacters(this.#stdout);
    const holds = () => (typeof what === "string" ? seen().includes(what) : what.test(seen()));
    await until(`the command shows ${String(what)}`, holds, withinMs).catch((cause: unknown) => {
      throw new Error(`it shows ${JSON.stringify(seen())} and ${JSON.stringify(this.#stderr)}`, { cause });
    });
  }

  /** Waits until standard error has something. */
  async tells(what: string, withinMs = patientlyMs): Promise<void> {
    await until(`the command tells ${what}`, () => this.#stderr.includes(what), withinMs);
  }

  /** Sends a signal to the command itself. */
  signal(name: NodeJS.Signals): void {
    const pid =
      this.#process.spawnfile === process.execPath ? this.#process.pid : Number.parseInt(this.#stderr, 10);
    if (pid === undefined || Number.isNaN(pid)) throw new Error("the command does not run yet");
    process.kill(pid, name);
  }

  /** Reads no more of its standard output, as `head` does. */
  closeStdout(): void {
    this.#process.stdout.destroy();
  }

  /** Whether its terminal echoes what is typed, to be asked when it has ended. */
  get echoes(): boolean {
    return this.#stderr.endsWith("\necho\n");
  }

  /** Ends its standard input, unless it is a terminal, and waits for its end. */
  async end(input?: string): Promise<Ended> {
    if (this.#process.spawnfile === process.execPath) this.#process.stdin.end(input ?? "");
    return this.ended();
  }

  /** Waits for its end. */
  async ended(): Promise<Ended> {
    const code = await this.#ended;
    return { code, stdout: this.#stdout, stderr: this.#stderr };
  }

  [Symbol.dispose](): void {
    this.#process.kill("SIGKILL");
  }
}
