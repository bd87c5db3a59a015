import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { chmod } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import type { Artifact, Collection } from "../../../services/worker/sandbox/collect.ts";
import type { ProgramLimits } from "../../../services/worker/sandbox/limits.ts";
import { openSandbox } from "../../../services/worker/sandbox/open-sandbox.ts";
import { processesOf } from "../../../services/worker/sandbox/process-table.ts";
import type { ProgramMessage } from "../../../services/worker/sandbox/program-message.ts";
import type {
  ProgramEnd,
  ProgramSpec,
  Sandbox,
  SandboxedProgram,
} from "../../../services/worker/sandbox/sandbox.ts";

const MiB = 1024 * 1024;

/** Small enough that reaching each of them takes a moment only. */
export const smallLimits: ProgramLimits = {
  wallMs: 20_000,
  cores: 1,
  memoryBytes: 128 * MiB,
  processes: 64,
  openFiles: 256,
  fileBytes: 8 * MiB,
  homeBytes: 16 * MiB,
  homeFiles: 2000,
  temporaryBytes: 8 * MiB,
  sharedMemoryBytes: 4 * MiB,
};

/** What is read of a program's output before it is stopped for it. */
const longestOutput = MiB;

export const asRoot = process.getuid?.() === 0;

/** What a program did. */
export interface Ran {
  readonly end: ProgramEnd;
  readonly stdout: string;
  readonly stderr: string;
  readonly messages: readonly ProgramMessage[];
  readonly droppedLines: number;
  readonly artifacts: readonly Artifact[];
  readonly refused: Collection["refused"];
}

/** A folder with a sandbox in it, and the check that nothing is left of a program. */
export class SandboxUnderTest {
  readonly sandbox: Sandbox;
  readonly directory: string;
  readonly #firstUid: number;

  private constructor(sandbox: Sandbox, directory: string, firstUid: number) {
    this.sandbox = sandbox;
    this.directory = directory;
    this.#firstUid = firstUid;
  }

  static async open({
    firstUid,
    slots = 2,
    backend = "bubblewrap",
  }: {
    firstUid: number;
    slots?: number;
    backend?: "bubblewrap" | "process";
  }) {
    const directory = mkdtempSync(join(tmpdir(), "sbx-"));
    await chmod(directory, 0o755);
    const opened = await openSandbox({ backend, allowUnsafeProcess: true, directory, slots, firstUid });
    if (opened.kind === "unusable") throw new Error(`${opened.reason} (${opened.mend})`);
    return new SandboxUnderTest(opened.sandbox, directory, firstUid);
  }

  start(
    given: Partial<ProgramSpec> & Pick<ProgramSpec, "command">,
    signal?: AbortSignal,
  ): Promise<SandboxedProgram> {
    const start = { runId: "run", taskId: "task", attempt: 1, input: null };
    return this.sandbox.start(
      { network: "none", stdin: "closed", start, ...given, limits: { ...smallLimits, ...given.limits } },
      signal,
    );
  }

  /** Runs a Python program to its end and collects everything. */
  async python(source: string, given: Partial<ProgramSpec> = {}): Promise<Ran> {
    return await this.#run({
      command: ({ inputs }) => ["/usr/bin/python3", "-u", `${inputs}/main.py`],
      inputs: new Map([["main.py", Buffer.from(source)]]),
      ...given,
    });
  }

  /** The same for a line of shell. */
  async shell(script: string, given: Partial<ProgramSpec> = {}): Promise<Ran> {
    return await this.#run({ command: () => ["/bin/bash", "-c", script], ...given });
  }

  async #run(given: Partial<ProgramSpec> & Pick<ProgramSpec, "command">): Promise<Ran> {
    await using program = await this.start(given);
    const [stdout, stderr, messages] = [
      bounded(program, program.stdout),
      bounded(program, program.stderr),
      said(program),
    ];
    const end = await program.exited;
    const { artifacts, refused } = await program.collect();
    return {
      end,
      stdout: await stdout,
      stderr: await stderr,
      messages: await messages,
      droppedLines: program.channel.droppedLines,
      artifacts,
      refused,
    };
  }

  /** What is left of programs, in words; empty when all is well. To be asked when none runs. */
  leftovers(): readonly string[] {
    const names = readdirSync(join(this.directory, "slots"));
    const folders = names.map((name) => join(this.directory, "slots", name));
    const uids = asRoot ? names.map((_, index) => this.#firstUid + index) : [];
    return [
      ...folders.flatMap((folder) => readdirSync(join(folder, "inputs"))).map((name) => `input ${name}`),
      ...folders.flatMap((folder) => readdirSync(join(folder, "channel"))).map((name) => `socket ${name}`),
      ...folders
        .filter((folder) => readdirSync(folder).includes("home"))
        .map((folder) => `home in ${folder}`),
      ...names.flatMap(cgroupsOf).map((name) => `cgroup ${name}`),
      ...uids.flatMap((uid) => processesOf(uid)).map((pid) => `process ${pid}`),
    ];
  }

  /** Throws when anything is left. */
  checkEmpty(): void {
    const left = this.leftovers();
    if (left.length > 0) throw new Error(`left behind: ${left.join(", ")}`);
  }

  async close(): Promise<void> {
    await this.sandbox[Symbol.asyncDispose]();
    rmSync(this.directory, { recursive: true });
  }
}

/** The groups of a slot that exist. */
function cgroupsOf(name: string): readonly string[] {
  return readdirSync("/sys/fs/cgroup", { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap((entry) => readdirSync(`/sys/fs/cgroup/${entry.name}`))
    .filter((entry) => entry === `antiphon-${name}`);
}

async function bounded(program: SandboxedProgram, stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    length += chunk.length;
    if (length <= longestOutput) continue;
    void program.stop({ graceMs: 0, limit: "output" });
    break;
  }
  return Buffer.concat(chunks).toString();
}

async function said(program: SandboxedProgram): Promise<readonly ProgramMessage[]> {
  const messages: ProgramMessage[] = [];
  for await (const message of program.channel) messages.push(message);
  return messages;
}
