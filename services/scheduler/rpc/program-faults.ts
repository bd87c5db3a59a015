/*
 * The bounds of a submitted program, as the comments in the contract state them.
 */
import { type Duration, durationMs } from "@bufbuild/protobuf/wkt";
import type { Program } from "../../../gen/antiphon/scheduler/v1/task_pb.ts";
import type { FieldFault } from "../../../lib/errors/domain-error.ts";
import { flowFault } from "../../../lib/waldiez/flow-fault.ts";
import { isPythonFile, maxPromptTimeoutMs, maxWallTimeMs } from "../program-definition.ts";
import { maxProgramBytes } from "../uploads.ts";
import { envFaults } from "./env-faults.ts";

const maxArguments = 100;
const maxArgumentBytes = 4 * 1024;
const maxRequirements = 100;
const maxRequirementLength = 200;
const maxMessageBytes = 64 * 1024;
const minTimeMs = 1_000;

/** A requirement as PEP 508 has it, less URLs: a name, extras, version clauses. */
const requirementForm =
  /^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?(?:\[[A-Za-z0-9._, -]+\])?(?:\s*(?:===?|~=|!=|<=?|>=?)\s*[A-Za-z0-9.*+!_-]+(?:\s*,\s*(?:===?|~=|!=|<=?|>=?)\s*[A-Za-z0-9.*+!_-]+)*)?$/;

/** Everything that is wrong with a submitted program; paths begin at `program`. */
export function programFaults(program: Program): FieldFault[] {
  return [
    ...fileFaults(program),
    ...argumentFaults(program),
    ...requirementFaults(program),
    ...timeFaults("program.wall_time", program.wallTime, { maxMs: maxWallTimeMs, days: 7 }),
    ...envFaults(program.env),
    ...messageFaults(program),
    ...timeFaults("program.prompt_timeout", program.promptTimeout, { maxMs: maxPromptTimeoutMs, days: 30 }),
  ];
}

function fileFaults(program: Program): FieldFault[] {
  const { fileName, content, uploadId } = program;
  const faults: FieldFault[] = [];
  if (!isPythonFile(fileName) && !isFlowFile(fileName)) {
    const message = "is not the plain name of a .py or .waldiez file";
    faults.push({ path: "program.file_name", reason: "FILE_REJECTED", message });
  }
  if (uploadId !== "") {
    if (content.length > 0) faults.push(invalid("program.upload_id", "is given beside content"));
    return faults;
  }
  const message = contentFault(content, isFlowFile(fileName));
  if (message !== undefined) faults.push({ path: "program.content", reason: "FILE_REJECTED", message });
  return faults;
}

function contentFault(content: Uint8Array, isFlow: boolean): string | undefined {
  if (content.length === 0) return "is empty";
  if (content.length > maxProgramBytes) return `is larger than ${maxProgramBytes} bytes`;
  return isFlow ? flowFault(content) : undefined;
}

function isFlowFile(fileName: string): boolean {
  return /^[^/\\\0]{1,192}\.waldiez$/.test(fileName) && !fileName.startsWith(".");
}

function argumentFaults({ arguments: given }: Program): FieldFault[] {
  const faults: FieldFault[] = [];
  if (given.length > maxArguments) {
    faults.push(invalid("program.arguments", `has more than ${maxArguments} items`));
  }
  for (const [index, text] of given.slice(0, maxArguments).entries()) {
    if (Buffer.byteLength(text) > maxArgumentBytes || text.includes("\0")) {
      const message = `is longer than ${maxArgumentBytes} bytes or has a zero character`;
      faults.push(invalid(`program.arguments[${index}]`, message));
    }
  }
  return faults;
}

function requirementFaults({ requirements }: Program): FieldFault[] {
  const faults: FieldFault[] = [];
  if (requirements.length > maxRequirements) {
    faults.push(invalid("program.requirements", `has more than ${maxRequirements} items`));
  }
  for (const [index, text] of requirements.slice(0, maxRequirements).entries()) {
    if (text.length > maxRequirementLength || !requirementForm.test(text)) {
      faults.push(invalid(`program.requirements[${index}]`, "is not of the form name or name==version"));
    }
  }
  return faults;
}

function messageFaults({ fileName, message }: Program): FieldFault[] {
  if (message === "") return [];
  const faults: FieldFault[] = [];
  if (!isFlowFile(fileName)) faults.push(invalid("program.message", "is only for .waldiez files"));
  if (Buffer.byteLength(message) > maxMessageBytes) {
    faults.push(invalid("program.message", `is longer than ${maxMessageBytes} bytes`));
  }
  return faults;
}

function timeFaults(
  path: string,
  time: Duration | undefined,
  { maxMs, days }: { readonly maxMs: number; readonly days: number },
): FieldFault[] {
  if (time === undefined) return [];
  const ms = durationMs(time);
  return ms >= minTimeMs && ms <= maxMs ? [] : [invalid(path, `is not from 1 s to ${days} days`)];
}

function invalid(path: string, message: string): FieldFault {
  return { path, reason: "FIELD_INVALID", message };
}
