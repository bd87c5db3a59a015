import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

/** The program of util-linux that has the kernel end a child with its parent, however that dies. */
const endWithUs = "setpriv";

/** How long a process may take to end when it is asked to. */
const endMs = 10_000;

/** Of what a process says, as much is kept for an error. */
const keptOutput = 4_000;

/** A process of a subject. Disposing of it asks it to end and waits. */
export class MeasuredProcess implements AsyncDisposable {
  readonly child: ChildProcess;
  #said = "";

  /** Starts a file of the checkout on this Node; `nodeOptions` come before the file. */
  constructor(
    file: string,
    {
      variables,
      nodeOptions = [],
    }: {
      readonly variables: Readonly<Record<string, string>>;
      readonly nodeOptions?: readonly string[];
    },
  ) {
    const { PATH, HOME, LANG } = process.env;
    this.child = spawn(endWithUs, ["--pdeathsig", "KILL", process.execPath, ...nodeOptions, file], {
      cwd: root,
      env: { PATH, HOME, LANG, ...variables },
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    this.child.stderr?.on("data", (chunk: Buffer) => {
      this.#said = (this.#said + chunk.toString()).slice(-keptOutput);
    });
  }

  /** The last of what it wrote to its standard error. */
  get said(): string {
    return this.#said;
  }

  /** Throws when the process has ended. */
  check(): void {
    const { exitCode, signalCode, spawnargs } = this.child;
    if (exitCode === null && signalCode === null) return;
    throw new Error(`${spawnargs.join(" ")} ended by ${exitCode ?? signalCode}:\n${this.#said}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = once(this.child, "exit");
    this.child.kill("SIGCONT");
    this.child.kill("SIGTERM");
    const late = setTimeout(() => this.child.kill("SIGKILL"), endMs);
    await ended;
    clearTimeout(late);
  }
}
