import type { FailureReason, Outcome } from "../outcome.ts";
import type { EndingLimit } from "../sandbox/limits.ts";
import type { ProgramEnd } from "../sandbox/sandbox.ts";

/** What is known of a program that ended by itself. */
export interface EndedProgram {
  readonly end: ProgramEnd;
  /** The last line that it wrote to standard error; empty when there is none. */
  readonly lastErrorLine: string;
  readonly wallMs: number;
  /** What it gave to `antiphon.result`, as JSON text. */
  readonly result: string | undefined;
  /** Reads what it left in its result file. */
  readonly resultFile: () => Promise<Uint8Array | undefined>;
}

const nothing = new TextEncoder().encode("null");

/** What the end of a program means for its task. */
export async function outcomeOf(program: EndedProgram): Promise<Outcome> {
  const { end, lastErrorLine } = program;
  switch (end.kind) {
    case "exited": {
      if (end.code === 0) return await outputOf(program);
      const why = lastErrorLine === "" ? "" : `: ${lastErrorLine}`;
      const message = `the program exited with code ${end.code}${why}`;
      return { kind: "failed", reason: "EXIT_CODE", message, exitCode: end.code };
    }
    case "signalled":
      return { kind: "failed", reason: "SIGNAL", message: `the program was ended by ${end.signal}` };
    case "limit":
      return { kind: "failed", ...limits[end.which](program.wallMs) };
    case "failed_to_start": {
      const message = `the program could not be started: ${end.reason}`;
      return { kind: "failed", reason: "SANDBOX_UNAVAILABLE", message };
    }
  }
}

const limits: Readonly<
  Record<EndingLimit, (wallMs: number) => { readonly reason: FailureReason; readonly message: string }>
> = {
  wall_time: (wallMs) => ({
    reason: "WALL_TIME_LIMIT",
    message: `the program ran longer than ${wallMs / 1_000} s, not counting time in which it waited for an answer`,
  }),
  cpu_time: () => ({ reason: "CPU_TIME_LIMIT", message: "the program used more processor time than it may" }),
  memory: () => ({ reason: "MEMORY_LIMIT", message: "the program used more memory than it may" }),
  files: () => ({ reason: "STORAGE_LIMIT", message: "the program stored more files than it may" }),
  file_size: () => ({ reason: "STORAGE_LIMIT", message: "the program wrote a larger file than it may" }),
  output: () => ({ reason: "STORAGE_LIMIT", message: "the program wrote more output than it may" }),
};

/** What it handed over, else the JSON of its result file, else null. */
async function outputOf({ result, resultFile }: EndedProgram): Promise<Outcome> {
  if (result !== undefined) return { kind: "completed", output: new TextEncoder().encode(result) };
  const left = await resultFile();
  if (left === undefined) return { kind: "completed", output: nothing };
  try {
    JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(left));
    return { kind: "completed", output: left };
  } catch {
    const message = "the file at ANTIPHON_RESULT_FILE is not JSON";
    return { kind: "failed", reason: "OUTPUT_INVALID", message };
  }
}
