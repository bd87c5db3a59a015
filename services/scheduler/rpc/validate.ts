/*
 * The bounds of requests, as the comments in the contract state them.
 */
import { durationMs } from "@bufbuild/protobuf/wkt";
import type {
  SignalRunRequest,
  StartRunRequest,
  SubmitTaskRequest,
} from "../../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import {
  type Dag,
  FailurePolicy,
  type ForEach as ForEachMessage,
  type Node,
  type RetryPolicy as RetryPolicyMessage,
} from "../../../gen/antiphon/scheduler/v1/workflow_pb.ts";
import { DomainError, type FieldFault } from "../../../lib/errors/domain-error.ts";
import { faultsOf, maxFaults } from "../core/check-definition.ts";
import type { Definition, ForEach, NodeDefinition } from "../core/definition.ts";
import { signalNameForm } from "../core/engine-handler.ts";
import { compileInputSchema } from "../core/input-schema.ts";
import { isJsonObject, type Json, type JsonObject, parseJson } from "../core/json.ts";
import { programConfigFaults } from "../program-definition.ts";
import { programFaults } from "./program-faults.ts";

const maxNameLength = 200;
const maxRequestIdLength = 100;
const maxDedupeKeyLength = 200;
const maxInputBytes = 64 * 1024;
const maxConfigBytes = 64 * 1024;
const maxSchemaBytes = 64 * 1024;
const maxPriority = 100;
const maxRunLabels = 32;
const maxLabelLength = 200;
/** The form of the name of a run's label. */
export const labelForm = /^[A-Za-z0-9][A-Za-z0-9_./-]{0,62}$/;
/** What operators and users call the queue of nodes that name none. */
const defaultQueue = "default";
const maxPathLength = 200;

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

/** What is wrong with a start, but for the definition that it brings along and what that wants of the input. */
export function startFaults(request: StartRunRequest): FieldFault[] {
  const { workflowId, workflowName, workflow, input, priority, labels } = request;
  const sources = [workflowId !== "", workflowName !== "", workflow !== undefined].filter(Boolean).length;
  return [
    ...requestIdFaults(request.requestId),
    ...(sources === 1
      ? []
      : [invalid("workflow_id", "give exactly one of workflow_id, workflow_name and workflow")]),
    ...inputFaults(input),
    ...priorityFaults(priority),
    ...labelFaults(labels),
  ];
}

/** What is wrong with the priority of a run. */
export function priorityFaults(priority: number): FieldFault[] {
  return Math.abs(priority) <= maxPriority ? [] : [invalid("priority", "is not from -100 to 100")];
}

/** What is wrong with the labels of a run. */
export function labelFaults(labels: Readonly<Record<string, string>>): FieldFault[] {
  const pairs = Object.entries(labels);
  if (pairs.length > maxRunLabels) return [invalid("labels", `has more than ${maxRunLabels} labels`)];
  const isGood = ([name, value]: readonly [string, string]): boolean => {
    return labelForm.test(name) && value.length <= maxLabelLength && !value.includes("\0");
  };
  return pairs.every(isGood)
    ? []
    : [invalid("labels", `has a name not of the form ${labelForm.source}, or a value that is too long`)];
}

export function signalFaults({ name, payload }: SignalRunRequest): FieldFault[] {
  const faults: FieldFault[] = [];
  if (!signalNameForm.test(name)) faults.push(invalid("name", `is not of the form ${signalNameForm.source}`));
  jsonOf(payload, { at: "payload", maxBytes: maxInputBytes, fallback: null }, faults);
  return faults;
}

export function submissionFaults(request: SubmitTaskRequest): FieldFault[] {
  const { program, input, requestId, labels, maxActive, dedupeKey } = request;
  const faults = [...requestIdFaults(requestId), ...inputFaults(input), ...labelFaults(labels)];
  if (maxActive < 0) faults.push(invalid("max_active", "is negative"));
  if (dedupeKey.length > maxDedupeKeyLength || dedupeKey.includes("\0")) {
    const message = `is longer than ${maxDedupeKeyLength} characters or has a zero character`;
    faults.push(invalid("dedupe_key", message));
  }
  if (program === undefined) return [invalid("program", "is missing"), ...faults];
  return [...programFaults(program), ...faults];
}

/** The definition that a request describes, and everything that is wrong with it. Paths begin at the message itself, or at `root`. */
export function definitionOf(
  {
    name,
    dag,
    inputSchema,
  }: { readonly name: string; readonly dag?: Dag | undefined; readonly inputSchema: Uint8Array },
  knowsHandler: (handler: string) => boolean,
  root = "",
): { readonly definition: Definition; readonly faults: readonly FieldFault[] } {
  const faults: FieldFault[] = [];
  if (name === "" || name.length > maxNameLength || name.includes("\0")) {
    faults.push(invalid("name", `is empty, longer than ${maxNameLength} characters or has a zero character`));
  }
  if (dag === undefined) faults.push(invalid("dag", "is missing"));
  const nodes = (dag?.nodes ?? []).map((node, index) => nodeOf(node, `dag.nodes[${index}]`, faults));
  const schema = schemaOf(inputSchema, faults);
  const definition = {
    name,
    nodes,
    ...(dag?.onFailure && { onFailure: dag.onFailure }),
    ...(schema !== undefined && { inputSchema: schema }),
  };
  if (dag !== undefined) faults.push(...faultsOf(definition, knowsHandler));
  const shortened = faults.slice(0, maxFaults).map(withShortPath);
  return { definition, faults: shortened.map((fault) => ({ ...fault, path: root + fault.path })) };
}

/** A node as the core takes it. What can not be read at all is noted and left out. */
function nodeOf(node: Node, path: string, faults: FieldFault[]): NodeDefinition {
  const { id, handler, dependencies, when, queue, labels, priority, replayInput } = node;
  const forEach = node.forEach && forEachOf(node.forEach, path, faults);
  const onFailure = policyOf(node.onFailure, path, faults);
  return {
    id,
    handler,
    dependencies,
    config: configOf(node, path, faults),
    ...(node.retry && { retry: retryOf(node.retry) }),
    ...(node.timeout && { timeoutMs: durationMs(node.timeout) }),
    ...(node.queueTimeout && { queueTimeoutMs: durationMs(node.queueTimeout) }),
    ...(when !== "" && { when }),
    ...(onFailure && { onFailure }),
    ...(forEach && { forEach }),
    ...(queue !== "" && queue !== defaultQueue && { queue }),
    ...(Object.keys(labels).length > 0 && { labels }),
    ...(priority !== 0 && { priority }),
    ...(replayInput && { replayInput }),
  };
}

function configOf({ handler, config }: Node, path: string, faults: FieldFault[]): JsonObject {
  const parsed = jsonOf(config, { at: `${path}.config`, maxBytes: maxConfigBytes, fallback: {} }, faults);
  if (parsed === undefined) return {};
  if (!isJsonObject(parsed)) {
    faults.push(invalid(`${path}.config`, "is not a JSON object"));
    return {};
  }
  if (handler === "program") {
    for (const { at, message } of programConfigFaults(parsed)) {
      faults.push(invalid(`${path}.config${at}`, message));
    }
  }
  return parsed;
}

function retryOf({
  maxAttempts,
  initialDelay,
  multiplier,
  maxDelay,
  jitter,
  nonRetryable,
}: RetryPolicyMessage) {
  return {
    maxAttempts: maxAttempts || 3,
    initialDelayMs: initialDelay ? durationMs(initialDelay) : 1_000,
    multiplier: multiplier || 2,
    maxDelayMs: maxDelay ? durationMs(maxDelay) : 5 * 60_000,
    jitter: jitter ?? 0.2,
    nonRetryable,
  };
}

function forEachOf(
  { items, maxParallel }: ForEachMessage,
  path: string,
  faults: FieldFault[],
): ForEach | undefined {
  const at = `${path}.for_each.items`;
  if (items.length === 0) {
    faults.push(invalid(at, "is missing"));
    return undefined;
  }
  const list = jsonOf(items, { at, maxBytes: maxConfigBytes, fallback: [] }, faults);
  return list === undefined ? undefined : { items: list, ...(maxParallel !== 0 && { maxParallel }) };
}

const policies: Readonly<Record<number, NodeDefinition["onFailure"] | "fail_run">> = {
  [FailurePolicy.UNSPECIFIED]: "fail_run",
  [FailurePolicy.FAIL_RUN]: "fail_run",
  [FailurePolicy.CONTINUE]: "continue",
  [FailurePolicy.SKIP_DEPENDENTS]: "skip_dependents",
};

function policyOf(policy: FailurePolicy, path: string, faults: FieldFault[]): NodeDefinition["onFailure"] {
  const known = policies[policy];
  if (known === undefined) faults.push(invalid(`${path}.on_failure`, "is not a policy for failure"));
  return known === "fail_run" ? undefined : known;
}

function schemaOf(bytes: Uint8Array, faults: FieldFault[]): Json | undefined {
  if (bytes.length === 0) return undefined;
  const at = "input_schema";
  const schema = jsonOf(bytes, { at, maxBytes: maxSchemaBytes, fallback: true }, faults);
  if (schema === undefined) return undefined;
  const compiled = compileInputSchema(schema);
  if ("faults" in compiled) {
    for (const fault of compiled.faults) faults.push(invalid(at + fault.at, fault.message));
  }
  return schema;
}

/** JSON that a field holds; undefined, with a fault, when it does not. */
function jsonOf(
  bytes: Uint8Array,
  { at, maxBytes, fallback }: { readonly at: string; readonly maxBytes: number; readonly fallback: Json },
  faults: FieldFault[],
): Json | undefined {
  if (bytes.length === 0) return fallback;
  if (bytes.length > maxBytes) {
    faults.push(invalid(at, `is larger than ${maxBytes} bytes`));
    return undefined;
  }
  const parsed = parseJson(bytes);
  if ("value" in parsed) return parsed.value;
  faults.push(invalid(at, parsed.fault));
  return undefined;
}

/** Keys of a config are the user's, and of any length. */
function withShortPath(fault: FieldFault): FieldFault {
  return fault.path.length <= maxPathLength
    ? fault
    : { ...fault, path: `${fault.path.slice(0, maxPathLength)}…` };
}

function invalid(path: string, message: string): FieldFault {
  return { path, reason: "FIELD_INVALID", message };
}
