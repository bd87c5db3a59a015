import { Code, ConnectError } from "@connectrpc/connect";
import { CommanderError } from "commander";
import { ConfigError } from "../lib/config/env.ts";
import { type Fault, isForeignServer, isUnreachable, refusalOf } from "../sdk/typescript/antiphon.ts";
import { CommandFailure } from "./command-failure.ts";
import { type ExitCode, exitCode } from "./exit-code.ts";
import { plainText } from "./plain-text.ts";
import { tlsFailureOf } from "./tls-failure.ts";

/** What went wrong, as it is told to people and programs. */
export interface FailureReport {
  readonly exitCode: ExitCode;
  readonly message: string;
  /** The status code of a call, in the contract's spelling (`NOT_FOUND`); empty when it was none. */
  readonly code: string;
  /** Empty when there is none. */
  readonly reason: string;
  readonly faults: readonly Fault[];
  /** What to do about it; may be empty. */
  readonly hint: string;
}

/** Puts whatever a command threw into words. `url`: of the server that it called, where that is known. */
export function reportOf(thrown: unknown, url?: string): FailureReport {
  if (thrown instanceof CommandFailure) return ofCommand(thrown);
  if (thrown instanceof CommanderError) return usage(thrown);
  if (thrown instanceof ConnectError) return ofCall(thrown, url);
  const isSystemError = thrown instanceof Error && "code" in thrown && typeof thrown.code === "string";
  return {
    exitCode: exitCode.failed,
    message: thrown instanceof Error ? thrown.message : String(thrown),
    code: "",
    reason: isSystemError ? String(thrown.code) : thrown instanceof ConfigError ? "CONFIG_INVALID" : "",
    faults: [],
    hint: "",
  };
}

/** The report as lines for people. What a server said is shown without control characters. */
export function reportLines({ message, code, reason, faults, hint }: FailureReport): string[] {
  const names = [code, reason].filter((name) => name !== "").join(", ");
  return [
    `error: ${message}${names === "" ? "" : ` (${names})`}`,
    ...faults.map((fault) => {
      const where = fault.path === "" ? "" : `${fault.path}: `;
      return `  ${where}${fault.message}${["", reason].includes(fault.reason) ? "" : ` (${fault.reason})`}`;
    }),
    ...(hint === "" ? [] : [`hint: ${hint}`]),
  ].map(plainText);
}

/** The report as one JSON object for programs. */
export function reportJson({ exitCode, ...said }: FailureReport): string {
  return JSON.stringify({ error: { ...said, exitCode } });
}

function ofCommand({ exitCode, message, reason, faults, hint }: CommandFailure): FailureReport {
  return { exitCode, message, code: "", reason, faults, hint };
}

function usage({ message }: CommanderError): FailureReport {
  // The value of an option that is written wrong (`--evn=KEY=secret`) may be a secret.
  const text = message.replace(/^error: /, "").replace(/^(unknown option '[^'=]+)=.*'/s, "$1'");
  return {
    exitCode: exitCode.usage,
    message: text,
    code: "",
    reason: "USAGE",
    faults: [],
    hint: "antiphon --help",
  };
}

function ofCall(thrown: ConnectError, url: string | undefined): FailureReport {
  const { code, reason, faults } = refusalOf(thrown);
  if (isUnreachable(thrown) && reason === "") {
    return {
      exitCode: exitCode.unreachable,
      message: unreachableText(thrown, url),
      code: "UNAVAILABLE",
      reason: "SERVER_UNREACHABLE",
      faults: [],
      hint: unreachableHint(thrown),
    };
  }
  return {
    exitCode: exitCodeOf[code] ?? exitCode.failed,
    message: wording(thrown),
    code: codeName(code),
    reason,
    faults,
    hint: hints[reason] ?? "",
  };
}

/** Which server can not be reached, and what of it is wrong. */
export function unreachableText(thrown: unknown, url: string | undefined): string {
  const server = url === undefined ? "the server" : `the server ${url}`;
  const failure = tlsFailureOf(thrown);
  if (failure !== undefined) return `${server} ${failure.text}`;
  return isForeignServer(thrown)
    ? `${url ?? "what answers"} is no Antiphon server`
    : `${server} does not answer`;
}

/** What to do about a server that can not be reached. */
function unreachableHint(thrown: unknown): string {
  if (isForeignServer(thrown)) return "npm start says where it serves; set ANTIPHON_URL";
  return tlsFailureOf(thrown)?.hint ?? "npm start";
}

/** What a refusal says, in the words of the command line where it has its own: the server's tell the first fault, which is listed anyway. */
function wording(thrown: ConnectError): string {
  const { reason, message, metadata, faults } = refusalOf(thrown);
  if (faults.length > 0) return "the request is refused";
  const [noun, key] = missing[reason] ?? [];
  const id = key === undefined ? undefined : metadata[key];
  return noun === undefined || id === undefined || id === "" ? message : `there is no ${noun} ${id}`;
}

/** What is not there, by the reason, and which detail of the refusal names it. */
const missing: Readonly<Record<string, readonly [noun: string, key: string]>> = {
  TASK_NOT_FOUND: ["task", "task_id"],
  RUN_NOT_FOUND: ["run", "run_id"],
  WORKFLOW_NOT_FOUND: ["workflow", "workflow_id"],
  SCHEDULE_NOT_FOUND: ["schedule", "schedule_id"],
  PROMPT_NOT_FOUND: ["prompt", "prompt_id"],
};

const exitCodeOf: Readonly<Partial<Record<Code, ExitCode>>> = {
  [Code.NotFound]: exitCode.notFound,
  [Code.Unauthenticated]: exitCode.unauthenticated,
  [Code.PermissionDenied]: exitCode.unauthenticated,
  [Code.Unavailable]: exitCode.unreachable,
  [Code.DeadlineExceeded]: exitCode.timedOut,
  [Code.Canceled]: exitCode.interrupted,
};

const hints: Readonly<Record<string, string>> = {
  TASK_NOT_FOUND: "antiphon ls",
  RUN_NOT_FOUND: "antiphon ls",
  WORKFLOW_NOT_FOUND: "antiphon workflow list",
  SCHEDULE_NOT_FOUND: "antiphon schedule list",
  WORKFLOW_IN_USE: "antiphon schedule list tells which schedule starts it",
  RUN_ENDED: "antiphon rerun starts it again",
  REQUEST_ID_REUSED: "the same --request-id was used for something else",
  PAGE_TOKEN_INVALID: "a page token goes with the options of the page before",
  CONDITION_INVALID: "docs/workflows.md tells what a condition may be",
  UNKNOWN_HANDLER: "antiphon workers lists what is offered",
  FILE_REJECTED: "programs are .py and .waldiez files",
  TOO_LARGE: "programs are at most 5 MiB, inputs 64 KiB",
  NOT_ENDED:
    "antiphon attach follows a task to its end, antiphon runs watch a run; antiphon cancel ends either",
  PROMPT_CLOSED: "somebody else answered, or the task has gone on",
  CREDENTIALS_INVALID:
    "see clients.json in the data folder, or set ANTIPHON_CLIENT_ID and ANTIPHON_CLIENT_SECRET",
  TOKEN_INVALID: "ANTIPHON_TOKEN is not a token of this server",
  TOKEN_EXPIRED: "get a new token, or use ANTIPHON_CLIENT_ID and ANTIPHON_CLIENT_SECRET instead",
  TOKEN_REVOKED: "its client was disabled or deleted, or the token taken back; get a new one",
  WRONG_AUDIENCE: "use the credentials of a client for the audience that is named",
  MISSING_SCOPE: "use a token with the scope that is named, of a client that has it",
  CLIENT_NOT_FOUND: "antiphon client list",
  OWN_CLIENT: "have another client do it",
  SANDBOX_UNAVAILABLE: "antiphon doctor",
  SERVICE_UNAVAILABLE: "a part of the server is away; try again",
  OWNER_UNAVAILABLE: "the server is starting or taking over; try again",
  DATABASE_UNAVAILABLE: "the server has no database at the moment; try again",
  BROKER_UNAVAILABLE: "the server has no broker at the moment; try again",
};

/** Whether a command failed because something does not exist. */
export function isNotFound(thrown: unknown): boolean {
  return reportOf(thrown).exitCode === exitCode.notFound;
}

/** `NotFound` as `NOT_FOUND`. */
function codeName(code: Code): string {
  return (Code[code] ?? "UNKNOWN").replaceAll(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase();
}
