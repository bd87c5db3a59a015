/*
 * The bounds of requests, as the comments in the contract state them.
 */
import { durationMs } from "@bufbuild/protobuf/wkt";
import type { SubmitTaskRequest } from "../../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import type { Program } from "../../../gen/antiphon/scheduler/v1/task_pb.ts";
import type { Dag } from "../../../gen/antiphon/scheduler/v1/workflow_pb.ts";
import { DomainError, type FieldFault } from "../../../lib/errors/domain-error.ts";
import { faultsOf, maxFaults } from "../core/check-definition.ts";
import type { Definition, NodeDefinition } from "../core/definition.ts";
import { isJsonObject, parseJson } from "../core/json.ts";
import { isPythonFile, maxWallTimeMs, programConfigFaults } from "../program-definition.ts";
import { flowFault } from "../waldiez-flow.ts";

const maxNameLength = 200;
const maxRequestIdLength = 100;
const maxProgramBytes = 5 * 1024 * 1024;
const maxInputBytes = 64 * 1024;
const maxConfigBytes = 64 * 1024;
const maxArguments = 100;
const maxArgumentBytes = 4 * 1024;
const maxRequirements = 100;
const maxPathLength = 200;

/** A requirement as PEP 508 has it, less URLs: a name, extras, version clauses. */
const requirementForm =
  /^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?(?:\[[A-Za-z0-9._, -]+\])?(?:\s*(?:===?|~=|!=|<=?|>=?)\s*[A-Za-z0-9.*+!_-]+(?:\s*,\s*(?:===?|~=|!=|<=?|>=?)\s*[A-Za-z0-9.*+!_-]+)*)?$/;

/** Throws the refusal of a request with faults; does nothing without. */
export function refuse(faults: readonly FieldFault[], metadata?: Readonly<Record<string, string>>): void {
  if (faults.length > 0) throw DomainError.ofFaults(faults, metadata);
}

export function requestIdFaults(requestId: string): FieldFault[] {
  return requestId.length > maxRequestIdLength || requestId.includes("\0")
    ? [invalid("request_id", `is longer than ${maxRequestIdLength} characters or has a zero character`)]
    : [];
}

export function inputFaults(input: Uint8Array): FieldFault[] {
  if (input.length === 0) return [];
  if (input.length > maxInputBytes) return [invalid("input", `is larger than ${maxInputBytes} bytes`)];
  const parsed = parseJson(input);
  return "fault" in parsed ? [invalid("input", parsed.fault)] : [];
}

export function submissionFaults({ program, input, requestId }: SubmitTaskRequest): FieldFault[] {
  const faults = [...requestIdFaults(requestId), ...inputFaults(input)];
  if (program === undefined) return [invalid("program", "is missing"), ...faults];
  return [...programFaults(program), ...faults];
}

function programFaults({
  fileName,
  content,
  arguments: given,
  requirements,
  wallTime,
}: Program): FieldFault[] {
  const faults: FieldFault[] = [];
  const isFlow = /^[^/\\\0]{1,192}\.waldiez$/.test(fileName) && !fileName.startsWith(".");
  if (!isPythonFile(fileName) && !isFlow) {
    const message = "is not the plain name of a .py or .waldiez file";
    faults.push({ path: "program.file_name", reason: "FILE_REJECTED", message });
  }
  if (content.length === 0) {
    faults.push({ path: "program.content", reason: "FILE_REJECTED", message: "is empty" });
  } else if (content.length > maxProgramBytes) {
    const message = `is larger than ${maxProgramBytes} bytes`;
    faults.push({ path: "program.content", reason: "FILE_REJECTED", message });
  } else if (isFlow) {
    const message = flowFault(content);
    if (message !== undefined) faults.push({ path: "program.content", reason: "FILE_REJECTED", message });
  }
  if (given.length > maxArguments)
    faults.push(invalid("program.arguments", `has more than ${maxArguments} items`));
  for (const [index, text] of given.slice(0, maxArguments).entries()) {
    if (Buffer.byteLength(text) > maxArgumentBytes || text.includes("\0")) {
      const message = `is longer than ${maxArgumentBytes} bytes or has a zero character`;
      faults.push(invalid(`program.arguments[${index}]`, message));
    }
  }
  if (requirements.length > maxRequirements) {
    faults.push(invalid("program.requirements", `has more than ${maxRequirements} items`));
  }
  for (const [index, text] of requirements.slice(0, maxRequirements).entries()) {
    if (text.length > maxNameLength || !requirementForm.test(text)) {
      faults.push(invalid(`program.requirements[${index}]`, "is not of the form name or name==version"));
    }
  }
  if (wallTime !== undefined) {
    const ms = durationMs(wallTime);
    if (!(ms >= 1_000 && ms <= maxWallTimeMs)) {
      faults.push(invalid("program.wall_time", "is not from 1 s to 7 days"));
    }
  }
  return faults;
}

/** The definition that a request describes, and everything that is wrong with it. */
export function definitionOf(
  { name, dag }: { readonly name: string; readonly dag?: Dag | undefined },
  knowsHandler: (handler: string) => boolean,
): { readonly definition: Definition; readonly faults: readonly FieldFault[] } {
  const faults: FieldFault[] = [];
  if (name === "" || name.length > maxNameLength || name.includes("\0")) {
    faults.push(invalid("name", `is empty, longer than ${maxNameLength} characters or has a zero character`));
  }
  if (dag === undefined) faults.push(invalid("dag", "is missing"));
  const nodes = (dag?.nodes ?? []).map(({ id, handler, dependencies, config }, index): NodeDefinition => {
    const path = `dag.nodes[${index}].config`;
    const node = { id, handler, dependencies, config: {} };
    if (config.length === 0) return { ...node, config: configFaults(path, node, faults) };
    if (config.length > maxConfigBytes) {
      faults.push(invalid(path, `is larger than ${maxConfigBytes} bytes`));
      return node;
    }
    const parsed = parseJson(config);
    if ("fault" in parsed) {
      faults.push(invalid(path, parsed.fault));
      return node;
    }
    if (!isJsonObject(parsed.value)) {
      faults.push(invalid(path, "is not a JSON object"));
      return node;
    }
    return { ...node, config: configFaults(path, { ...node, config: parsed.value }, faults) };
  });
  const definition = { name, nodes };
  if (dag !== undefined) faults.push(...faultsOf(definition, knowsHandler));
  return { definition, faults: faults.slice(0, maxFaults).map(withShortPath) };
}

/** Keys of a config are the user's, and of any length. */
function withShortPath(fault: FieldFault): FieldFault {
  return fault.path.length <= maxPathLength
    ? fault
    : { ...fault, path: `${fault.path.slice(0, maxPathLength)}…` };
}

function configFaults(path: string, node: NodeDefinition, faults: FieldFault[]): NodeDefinition["config"] {
  if (node.handler === "program") {
    for (const { at, message } of programConfigFaults(node.config)) faults.push(invalid(path + at, message));
  }
  return node.config;
}

function invalid(path: string, message: string): FieldFault {
  return { path, reason: "FIELD_INVALID", message };
}
