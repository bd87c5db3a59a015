import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import type { ProgramSchema } from "../../gen/antiphon/scheduler/v1/task_pb.ts";
import { jsonBytes } from "./json-bytes.ts";

/** A program to run. The bounds of each field are in `antiphon/scheduler/v1/task.proto`. */
export interface Submission {
  /** A `.py` or `.waldiez` file on this machine, or its content under a name. */
  readonly file: string | { readonly name: string; readonly content: Uint8Array };
  /** What the program finds as its input: any JSON value. */
  readonly input?: unknown;
  /** What it gets in `sys.argv[1:]`. */
  readonly arguments?: readonly string[];
  /** Packages that it needs: `name` or `name==version`. A flow's own are added. */
  readonly requirements?: readonly string[];
  /** Whether the packages that a flow names are left out. */
  readonly skipRequirements?: boolean;
  /** What its environment holds besides the usual, for secrets such as the key of a model. Kept encrypted, and never answered. */
  readonly env?: Readonly<Record<string, string>>;
  /** What a flow is first told, in place of its own first message; only for `.waldiez` files. */
  readonly message?: string;
  /** How long it may run, not counting time in which it waits for an answer; the server's default when unset. */
  readonly wallTimeMs?: number;
  /** How long each of its questions waits before it is answered with nothing; for ever when unset. */
  readonly promptTimeoutMs?: number;
  /** To find the task by. */
  readonly labels?: Readonly<Record<string, string>>;
}

/** What is handed in, as the contract has it: fields of a SubmitTaskRequest, and of the TaskTarget of a schedule. */
export interface SubmissionMessage {
  readonly program: MessageInitShape<typeof ProgramSchema>;
  readonly input?: Uint8Array<ArrayBuffer>;
  readonly labels: Record<string, string>;
}

/** A submission as the contract has it. Reads the file. */
export async function submissionMessage(submission: Submission): Promise<SubmissionMessage> {
  const { file, input, requirements, wallTimeMs, promptTimeoutMs } = submission;
  const { name, content } =
    typeof file === "string" ? { name: basename(file), content: await readFile(file) } : file;
  const program = {
    fileName: name,
    content,
    arguments: [...(submission.arguments ?? [])],
    requirements: [...(requirements ?? [])],
    skipRequirements: submission.skipRequirements ?? false,
    env: { ...submission.env },
    message: submission.message ?? "",
    ...(wallTimeMs !== undefined && { wallTime: durationFromMs(wallTimeMs) }),
    ...(promptTimeoutMs !== undefined && { promptTimeout: durationFromMs(promptTimeoutMs) }),
  };
  return {
    program,
    ...(input !== undefined && { input: jsonBytes(input) }),
    labels: { ...submission.labels },
  };
}
